//! What a tag points at right now, on every registry.

use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use oci_spec::image::{ImageIndex, ImageManifest};

use super::Build;
use crate::{
    event::{Event, Events},
    oci::{Digest, RawManifest, Tag, is_index, short},
    registry::{Name, Registry, RegistryError},
};

/// What one registry has under a tag: the journal from which it can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) manifest: Option<RawManifest>,
}

impl Live {
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.manifest.as_ref().map(|manifest| &manifest.digest)
    }
}

/// Reads a tag from all registries at once, in their order.
pub(super) async fn look(registries: &[Arc<Registry>], tag: &Tag) -> Result<Vec<Live>, RegistryError> {
    try_join_all(
        registries.iter().map(async |registry| Ok(Live { manifest: registry.manifest(Name::Tag(tag)).await? })),
    )
    .await
}

/// What a published image says of its build: the first entry of a list speaks for all of them. An image that is not
/// whole or not readable says nothing.
pub(super) async fn build_of(registry: &Registry, manifest: &RawManifest) -> Result<Build, RegistryError> {
    let image = if is_index(&manifest.media_type) {
        let index = serde_json::from_slice::<ImageIndex>(&manifest.bytes).ok();
        let Some(child) = index.as_ref().and_then(|index| index.manifests().first()) else {
            return Ok(Build::default());
        };
        registry.manifest(Name::Digest(child.digest())).await?
    } else {
        Some(manifest.clone())
    };
    let image = image.and_then(|image| serde_json::from_slice::<ImageManifest>(&image.bytes).ok());
    let Some(image) = image else { return Ok(Build::default()) };
    let config = registry.blob(image.config().digest()).await?;
    Ok(config.map_or_else(Build::default, |config| Build::of_config(&config)))
}

/// Brings a tag to a newer build on the registries that have that build's list and still show another: what a run that
/// was killed between two registries, or was overtaken, has left behind. Does what it can; the run fails anyway.
pub(super) async fn forward(registries: &[Arc<Registry>], tag: &Tag, newer: &RawManifest, events: &Events) {
    join_all(registries.iter().map(async |registry| {
        let behind = registry.resolve(tag).await.is_ok_and(|seen| seen.as_ref() != Some(&newer.digest));
        if !behind || !registry.has_manifest(&newer.digest).await.unwrap_or(false) {
            return;
        }
        if registry.put_manifest(Name::Tag(tag), newer).await.is_ok() {
            let (digest, name) = (short(&newer.digest), registry.name());
            events.event(Event::Note(format!("{tag} was behind on {name} and follows the newer build {digest}")));
        }
    }))
    .await;
}
