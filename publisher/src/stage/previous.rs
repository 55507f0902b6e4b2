//! The layers that the repositories have already, from the image that was published before.
//!
//! A registry knows layers by the digest of their compressed bytes, podman by the digest of their uncompressed bytes
//! (diff_id). The configuration of a published image has the second, its manifest the first, in the same order: that
//! is how a layer is recognised without compressing it.

use std::{collections::HashMap, sync::Arc};

use futures::future::try_join_all;
use oci_spec::image::{ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde_json::Value;

use super::layers::Registries;
use crate::{
    http::RequestError,
    oci::{DOCKER_LAYER_GZIP, Digest, Platform, RawManifest, Tag, is_index},
    registry::{Cause, Name, Registry, RegistryError},
};

/// A compressed layer, as manifests name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Layer {
    /// SHA-256 over the compressed bytes.
    pub(super) digest: Digest,
    /// The number of compressed bytes.
    pub(super) size: u64,
}

/// Which of these layers *all* registries have in the same compressed form, by diff_id, according to the images under
/// `tag`. If an older image cannot be read, less is known. `config` is the digest of our own configuration, if that is
/// known by now.
///
/// # Errors
/// A registry that cannot be talked to.
pub(super) async fn known_layers(
    registries: &Registries,
    tag: &Tag,
    platform: &Platform,
    diff_ids: &[Digest],
    config: Option<&Digest>,
) -> Result<HashMap<Digest, Layer>, RegistryError> {
    let published = registries.iter().map(|registry| published_layers(registry, tag, platform, diff_ids, config));
    let published = try_join_all(published).await?;
    let mut candidates: Vec<(Digest, Layer)> = Vec::new();
    for candidate in published.into_iter().flatten() {
        if diff_ids.contains(&candidate.0) && !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    }
    let held = candidates.iter().map(|(_, layer)| held_by_all(registries, &layer.digest));
    let held = try_join_all(held).await?;
    // Of two forms of a layer that all registries hold, the first counts.
    let held = candidates.into_iter().zip(held).rev().filter(|(_, is_held)| *is_held);
    Ok(held.map(|(candidate, _)| candidate).collect())
}

async fn held_by_all(registries: &Registries, digest: &Digest) -> Result<bool, RegistryError> {
    let held = try_join_all(registries.iter().map(|registry| registry.has_blob(digest))).await?;
    Ok(held.into_iter().all(|held| held))
}

/// The layers of one registry's published image, as diff_id and layer.
async fn published_layers(
    registry: &Arc<Registry>,
    tag: &Tag,
    platform: &Platform,
    ours: &[Digest],
    our_config: Option<&Digest>,
) -> Result<Vec<(Digest, Layer)>, RegistryError> {
    let manifest = usable(published_manifest(registry, tag, platform)).await?;
    let Some(manifest) = manifest else { return Ok(Vec::new()) };
    let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&manifest.bytes) else { return Ok(Vec::new()) };
    let config = manifest.config().digest();
    let diff_ids = if our_config == Some(config) {
        // The very same image: its diff_ids are known without asking.
        ours.to_vec()
    } else {
        let bytes = usable(registry.blob(config)).await?.unwrap_or_default();
        let config: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Vec::deserialize(&config["rootfs"]["diff_ids"]).unwrap_or_default()
    };
    if diff_ids.len() != manifest.layers().len() {
        return Ok(Vec::new());
    }
    let layers = diff_ids.into_iter().zip(manifest.layers()).filter(|(_, layer)| is_gzip(layer.media_type()));
    Ok(layers.map(|(id, layer)| (id, Layer { digest: layer.digest().clone(), size: layer.size() })).collect())
}

/// Whether a layer is compressed as the manifests that are written here say. Others publish layers with zstd, or not
/// compressed at all.
fn is_gzip(media_type: &MediaType) -> bool {
    *media_type == MediaType::ImageLayerGzip || media_type.as_ref() == DOCKER_LAYER_GZIP
}

/// Takes what is damaged for absent. A damaged earlier image is no failure of this run: it is about to be replaced.
async fn usable<T>(read: impl Future<Output = Result<Option<T>, RegistryError>>) -> Result<Option<T>, RegistryError> {
    match read.await {
        Err(RegistryError {
            cause: Cause::DigestMismatch { .. } | Cause::Request(RequestError::TooLarge { .. }),
            ..
        }) => Ok(None),
        read => read,
    }
}

/// The manifest of one platform under a tag, whether the tag points at a list or at that manifest itself.
async fn published_manifest(
    registry: &Arc<Registry>,
    tag: &Tag,
    platform: &Platform,
) -> Result<Option<RawManifest>, RegistryError> {
    let Some(top) = registry.manifest(Name::Tag(tag)).await? else { return Ok(None) };
    if !is_index(&top.media_type) {
        return Ok(Some(top));
    }
    let Ok(index) = serde_json::from_slice::<ImageIndex>(&top.bytes) else { return Ok(None) };
    let child = index.manifests().iter().find(|entry| {
        entry.platform().as_ref().is_some_and(|entry| {
            platform.is(&entry.os().to_string(), &entry.architecture().to_string(), entry.variant().as_deref())
        })
    });
    let Some(child) = child else { return Ok(None) };
    registry.manifest(Name::Digest(child.digest())).await
}
