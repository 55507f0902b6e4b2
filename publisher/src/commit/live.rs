//! What a tag points at now on every registry, and which of these builds is the newest.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::future::join_all;
use oci_spec::image::{ImageIndex, ImageManifest};

use super::Build;
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

/// Reads a tag on all registries, and each list once: content never changes under a digest.
pub(super) struct TagReader<'a> {
    registries: &'a [Arc<Registry>],
    tag: &'a Tag,
    /// The lists that were seen under the tag so far.
    pub(super) known: HashMap<Digest, Published>,
    /// Lists that our build replaces, however new they are.
    pub(super) replaceable: HashSet<Digest>,
}

impl<'a> TagReader<'a> {
    pub(super) fn new(registries: &'a [Arc<Registry>], tag: &'a Tag) -> Self {
        Self { registries, tag, known: HashMap::new(), replaceable: HashSet::new() }
    }

    /// Adds a list that need not be read.
    pub(super) fn insert(&mut self, manifest: RawManifest, build: Build) {
        self.known.insert(manifest.digest.clone(), Published { manifest, build });
    }

    /// Reads the tag on all registries at once.
    pub(super) async fn read(&mut self) -> Result<Snapshot, RegistryError> {
        self.read_each().await.into_iter().collect()
    }

    /// Reads the tag on all registries at once, with an error for each registry that fails.
    pub(super) async fn read_each(&mut self) -> Vec<Result<Option<Digest>, RegistryError>> {
        let registries = self.registries;
        let mut seen = join_all(registries.iter().map(|registry| registry.resolve(self.tag))).await;
        for (registry, seen) in registries.iter().zip(&mut seen) {
            if let Err(error) = self.read_new(registry, seen).await {
                *seen = Err(error);
            }
        }
        seen
    }

    /// Reads the list that a registry shows, if it is new. If the tag has moved meanwhile, reads what it points at now.
    async fn read_new(
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
            self.insert(manifest, build);
        }
        Ok(())
    }

    /// The newest of what is seen, if it is newer than ours.
    pub(super) fn newer_than(&self, ours: &Build, list: &Digest, seen: &[Option<Digest>]) -> Option<&Published> {
        let mut newest: Option<&Published> = None;
        for digest in seen.iter().flatten().filter(|digest| *digest != list && !self.replaceable.contains(*digest)) {
            let Some(other) = self.known.get(digest) else { continue };
            let (build, than) = newest.map_or((ours, list), |newest| (&newest.build, &newest.manifest.digest));
            match build.age_of(&other.build) {
                Some(Ordering::Greater) => newest = Some(other),
                // Two runs of the same commit at once: one of them wins on all registries, the same one for both.
                Some(Ordering::Equal) if other.manifest.digest.as_ref() > than.as_ref() => newest = Some(other),
                _ => {}
            }
        }
        newest
    }
}

/// The build of a published image, by the first entry of its list. An image that is incomplete or unreadable has none.
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
