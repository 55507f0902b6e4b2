//! A registry with nothing but the distribution API: `DELETE` by digest, which takes all tags on that digest with it.
//!
//! It tells neither when a manifest came nor what names it. So every look asks for every tag: the price of certainty, and
//! the only driver whose requests grow with the number of tags.

use futures::future::try_join_all;

use super::{Deletion, Look, Sighting, Stays};
use crate::{
    clean::CleanError,
    oci::Digest,
    registry::{Deleted, Name, Registry},
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

    pub(super) async fn delete(&self, registry: &Registry, digest: &Digest) -> Result<Deletion, CleanError> {
        match registry.delete_manifest(Name::Digest(digest)).await {
            Ok(Deleted::Yes) => Ok(Deletion::Gone),
            Ok(Deleted::Absent) => Ok(Deletion::Absent),
            Ok(Deleted::Unsupported) => Ok(Deletion::Stays(Stays::Unsupported)),
            Err(error) => Err(CleanError::of(error, registry.name(), PERMISSION)),
        }
    }
}
