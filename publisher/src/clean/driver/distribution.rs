//! A registry with nothing but the distribution API: `DELETE` by digest, which takes all tags on that digest with it.
//!
//! It tells neither when a manifest came nor what names it, and has no way from a digest to its tags. So every look asks
//! for every tag: the price of certainty, and the only driver whose requests grow with each tag.

use std::time::SystemTime;

use futures::future::try_join_all;
use serde_json::Value;

use super::{Deletion, Look, Sighting, Stays, delete_manifest, stock::Stock};
use crate::{
    clean::CleanError,
    oci::Digest,
    registry::{Name, Registry, RegistryError},
};

/// How many tags are resolved at once.
const LOOKS_MAX: usize = 16;
const PERMISSION: &str = "the account needs the right to delete (scope `delete`) in this repository";

/// The driver; it knows nothing by itself.
pub(in crate::clean) struct Distribution;

impl Distribution {
    pub(super) async fn look(&self, registry: &Registry) -> Result<Look, CleanError> {
        let tags = registry.tags().await?;
        let mut sightings = Vec::new();
        for some in tags.chunks(LOOKS_MAX) {
            let seen = try_join_all(some.iter().map(async |tag| registry.resolve(tag).await)).await?;
            // A tag that vanished meanwhile holds nothing.
            let seen = some.iter().zip(seen).filter_map(|(tag, digest)| Some((tag.clone(), digest?)));
            sightings.extend(seen.map(|(tag, digest)| Sighting { tag, digest, images: None, since: None }));
        }
        Ok(Look { sightings, ..Look::default() })
    }

    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        held: impl AsyncFnMut() -> Result<Option<Stays>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let deleted = delete_manifest(registry, digest, held).await;
        deleted.map_err(|error| CleanError::of(error, registry.name(), PERMISSION))?
    }
}

/// Takes what images say of themselves for their age, since the registry does not tell it.
pub(super) async fn created(registry: &Registry, stock: &mut [Stock]) -> Result<(), RegistryError> {
    for some in stock.chunks_mut(LOOKS_MAX) {
        let ages = try_join_all(some.iter().map(async |it| created_of(registry, &it.digest).await)).await?;
        some.iter_mut().zip(ages).for_each(|(it, age)| it.since = age);
    }
    Ok(())
}

/// When an image was made, by its configuration (`created`); nothing if that does not say, or if it is no image.
async fn created_of(registry: &Registry, digest: &Digest) -> Result<Option<SystemTime>, RegistryError> {
    let Some(manifest) = registry.manifest(Name::Digest(digest)).await? else { return Ok(None) };
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let Some(config) = manifest["config"]["digest"].as_str().and_then(|digest| digest.parse().ok()) else {
        return Ok(None);
    };
    let Some(config) = registry.blob(&config).await? else { return Ok(None) };
    let config: Value = serde_json::from_slice(&config).unwrap_or_default();
    Ok(config["created"].as_str().and_then(|created| humantime::parse_rfc3339_weak(created).ok()))
}
