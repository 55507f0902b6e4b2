//! What a tag points at right now, on every registry, and which of the builds that are seen there is the newest.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::future::join_all;
use oci_spec::image::{ImageIndex, ImageManifest};

use super::{Age, Build};
use crate::{
    oci::{Digest, RawManifest, Tag, is_index},
    registry::{Name, Registry, RegistryError},
};

/// What the registries show under a tag, in their order.
pub(super) type Snapshot = Vec<Option<Digest>>;

/// A published list, and what it says of its build.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) manifest: RawManifest,
    pub(super) build: Build,
}

/// Looks at a tag and remembers what it has seen there: content never changes under a digest.
pub(super) struct Live<'a> {
    registries: &'a [Arc<Registry>],
    tag: &'a Tag,
    /// What was seen under the tag so far.
    known: HashMap<Digest, Published>,
    /// What our build takes the place of, however new it is.
    pub(super) replaceable: HashSet<Digest>,
}

impl<'a> Live<'a> {
    pub(super) fn new(registries: &'a [Arc<Registry>], tag: &'a Tag) -> Self {
        Self { registries, tag, known: HashMap::new(), replaceable: HashSet::new() }
    }

    /// Adds what need not be read.
    pub(super) fn learn(&mut self, manifest: RawManifest, build: Build) {
        self.known.insert(manifest.digest.clone(), Published { manifest, build });
    }

    /// What was seen under the tag, by its digest.
    pub(super) fn published(&self, digest: &Digest) -> Option<&Published> {
        self.known.get(digest)
    }

    /// Looks at the tag on all registries at once.
    pub(super) async fn look(&mut self) -> Result<Snapshot, RegistryError> {
        self.look_leniently().await.into_iter().collect()
    }

    /// Looks at the tag on all registries at once; one that does not answer keeps nobody from the others.
    pub(super) async fn look_leniently(&mut self) -> Vec<Result<Option<Digest>, RegistryError>> {
        let registries = self.registries;
        let mut seen = join_all(registries.iter().map(|registry| registry.resolve(self.tag))).await;
        for (registry, seen) in registries.iter().zip(&mut seen) {
            if let Err(error) = self.follow(registry, seen).await {
                *seen = Err(error);
            }
        }
        seen
    }

    /// Reads what a registry shows, if it is new. A tag that has moved on meanwhile is followed.
    async fn follow(
        &mut self,
        registry: &Registry,
        seen: &mut Result<Option<Digest>, RegistryError>,
    ) -> Result<(), RegistryError> {
        let Ok(Some(digest)) = &*seen else { return Ok(()) };
        if self.known.contains_key(digest) {
            return Ok(());
        }
        let manifest = match registry.manifest(Name::Digest(digest)).await? {
            Some(manifest) => Some(manifest),
            None => registry.manifest(Name::Tag(self.tag)).await?,
        };
        *seen = Ok(manifest.as_ref().map(|manifest| manifest.digest.clone()));
        if let Some(manifest) = manifest {
            let build = build_of(registry, &manifest).await?;
            self.learn(manifest, build);
        }
        Ok(())
    }

    /// The newest of what is seen, if it is newer than ours.
    pub(super) fn newer_than(&self, ours: &Build, list: &Digest, seen: &[Option<Digest>]) -> Option<&Published> {
        let mut newest: Option<&Published> = None;
        for digest in seen.iter().flatten().filter(|digest| *digest != list && !self.replaceable.contains(*digest)) {
            let Some(other) = self.known.get(digest) else { continue };
            let (build, than) = newest.map_or((ours, list), |newest| (&newest.build, &newest.manifest.digest));
            let is_newer = match build.age_of(&other.build) {
                Age::Newer => true,
                // Two runs of the same commit at once: one of them wins on all registries, the same one for both.
                Age::Same => other.manifest.digest.as_ref() > than.as_ref(),
                Age::Older | Age::Unknown => false,
            };
            if is_newer {
                newest = Some(other);
            }
        }
        newest
    }
}

/// What a published image says of its build: the first entry of a list speaks for all of them. An image that is not
/// whole or not readable says nothing.
async fn build_of(registry: &Registry, manifest: &RawManifest) -> Result<Build, RegistryError> {
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
