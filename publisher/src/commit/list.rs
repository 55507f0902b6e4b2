//! The manifest list: one entry a platform, put everywhere by digest before any tag moves.
//!
//! Each image says itself what it is, and every registry has it. What a clean-up has removed since it was staged is put
//! back: manifest and configuration as the build handed them over, layers from another registry.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use oci_spec::image::ImageManifest;
use serde_json::{Value, json};

use super::{Build, Record};
use crate::{
    event::{Event, Events},
    exit::Failure,
    oci::{DOCKER_LIST, DOCKER_MANIFEST, Digest, Platform, RawManifest, digest_of, short},
    registry::{Blob, BlobSource, Name, Registry, RegistryError},
    stage::StagedImage,
};

/// One entry of the list to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its platform, with the variant that the image itself names.
    pub platform: Platform,
    /// The variant in the image's configuration, `v8`.
    pub variant: Option<String>,
    /// What the image says of its build.
    pub build: Build,
    /// The manifest.
    pub manifest: RawManifest,
    /// The configuration, with its digest.
    pub config: (Digest, Bytes),
    /// The layers.
    pub layers: Vec<Digest>,
}

/// Reads a platform's manifest and configuration as the build handed them over, and makes sure that it is a Docker image
/// that says itself that it is of this platform and this commit.
///
/// # Errors
/// For an image that is not what its record says.
pub fn read_child(record: &Record, commit: &str) -> Result<Child, Failure> {
    let StagedImage { platform, digest, .. } = &record.image;
    let invalid = |what: String| Failure::other(format!("the image for {platform} ({}) {what}", short(digest)));
    let manifest = RawManifest::new(DOCKER_MANIFEST, record.manifest.clone());
    let parsed: ImageManifest = serde_json::from_slice(&manifest.bytes)
        .map_err(|error| invalid("has an unreadable manifest".into()).because(error))?;
    let media_type = parsed.media_type().as_ref().map(ToString::to_string).unwrap_or_default();
    if media_type != DOCKER_MANIFEST {
        return Err(invalid(format!("is no Docker image but {media_type}")));
    }
    let (config, wanted) = (Bytes::from(record.config.clone()), parsed.config().digest());
    if digest_of(&config) != *wanted {
        return Err(invalid("was handed over with another configuration".into()));
    }
    let fields: Value = serde_json::from_slice(&config)
        .map_err(|error| invalid("has an unreadable configuration".into()).because(error))?;
    let [os, architecture, variant] = ["os", "architecture", "variant"].map(|name| fields[name].as_str());
    let (os, architecture) = (os.unwrap_or_default(), architecture.unwrap_or_default());
    if !platform.is(os, architecture, variant) {
        return Err(invalid(format!("says that it is {os}/{architecture}")));
    }
    let build = Build::of_config(&config);
    if build.revision.as_deref() != Some(commit) {
        let seen = build.revision.as_deref().unwrap_or("no commit at all");
        return Err(invalid(format!("was built from {seen}, expected {commit}")));
    }
    let layers = parsed.layers().iter().map(|layer| layer.digest().clone()).collect();
    let (platform, variant, config) = (platform.clone(), variant.map(Into::into), (wanted.clone(), config));
    Ok(Child { platform, variant, build, manifest, config, layers })
}

/// Makes a Docker manifest list (version 2) of the children, in their order. Compact JSON: the same children always
/// give the same bytes, so the digest is the same on all registries and in all runs.
pub fn assemble(children: &[Child]) -> RawManifest {
    let entry = |child: &Child| {
        let mut platform = json!({ "architecture": child.platform.architecture, "os": child.platform.os });
        if let Some(variant) = &child.variant {
            platform["variant"] = json!(variant);
        }
        let RawManifest { digest, bytes, .. } = &child.manifest;
        json!({ "mediaType": DOCKER_MANIFEST, "digest": digest, "size": bytes.len(), "platform": platform })
    };
    let manifests: Vec<Value> = children.iter().map(entry).collect();
    let list = json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": manifests });
    RawManifest::new(DOCKER_LIST, list.to_string())
}

/// Puts the list on all registries at once, by digest.
///
/// # Errors
/// The first registry that fails for good. Nothing is visible then.
pub async fn put_list(registries: &[Arc<Registry>], list: &RawManifest) -> Result<(), RegistryError> {
    try_join_all(registries.iter().map(async |registry| {
        if registry.has_manifest(&list.digest).await? {
            return Ok(());
        }
        registry.put_manifest(Name::Digest(&list.digest), list).await
    }))
    .await
    .map(drop)
}

/// Makes sure that a registry, by its place, has every image. What is missing is put back.
///
/// # Errors
/// When the registry fails for good, or for an image of which a layer is nowhere any more.
pub async fn restore_children(
    registries: &[Arc<Registry>],
    at: usize,
    children: &[Child],
    events: &Events,
) -> Result<(), Failure> {
    let registry = &registries[at];
    try_join_all(children.iter().map(async |child| {
        if registry.has_manifest(&child.manifest.digest).await? {
            return Ok(());
        }
        let Child { platform, manifest, config: (digest, config), layers, .. } = child;
        let source = BlobSource::Memory(config.clone());
        put_blob(registry, &Blob { digest: digest.clone(), size: config.len() as u64, source }, None).await?;
        for layer in layers {
            if !registry.has_blob(layer).await? && !copy_layer(registries, at, layer).await? {
                let (image, name) = (short(&manifest.digest), &registry.name);
                let message =
                    format!("the image for {platform} ({image}) is not on {name}, and no registry has its layers");
                return Err(Failure::other(message).hint("run the build of this platform again"));
            }
        }
        registry.put_manifest(Name::Digest(&manifest.digest), manifest).await?;
        let name = &registry.name;
        events.event(Event::Warning(format!("the image for {platform} had vanished from {name}: it was put back")));
        Ok(())
    }))
    .await
    .map(drop)
}

/// Copies a layer to a registry from another one that has it. Returns whether there is one.
async fn copy_layer(registries: &[Arc<Registry>], to: usize, layer: &Digest) -> Result<bool, RegistryError> {
    let target = &registries[to];
    for other in registries.iter().enumerate().filter(|(at, _)| *at != to).map(|(_, other)| other) {
        // A registry that fails is treated like one that does not have it.
        let Ok(Some(blob)) = other.download(layer).await else { continue };
        let shares = other.repository.host == target.repository.host;
        put_blob(target, &blob, shares.then_some(other.repository.name.as_str())).await?;
        return Ok(true);
    }
    Ok(false)
}

async fn put_blob(registry: &Registry, blob: &Blob, mount_from: Option<&str>) -> Result<(), RegistryError> {
    let no_progress: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(|_| {});
    registry.push_blob(blob, mount_from, &no_progress).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_dockers_to_the_byte() {
        let child = |platform: &str, variant: Option<&str>| Child {
            platform: platform.parse().unwrap(),
            variant: variant.map(Into::into),
            build: Build::default(),
            manifest: RawManifest::new(DOCKER_MANIFEST, platform.as_bytes().to_vec()),
            config: (digest_of(b"{}"), "{}".into()),
            layers: Vec::new(),
        };
        let list = assemble(&[child("linux/amd64", None), child("linux/arm64", Some("v8"))]);
        assert_eq!(list.media_type, DOCKER_LIST);
        insta::assert_snapshot!(String::from_utf8_lossy(&list.bytes), @r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942","size":11,"platform":{"architecture":"amd64","os":"linux"}},{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a","size":11,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}"#);
    }
}
