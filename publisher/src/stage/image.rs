//! One platform's image from podman's store to every registry.

use std::{collections::HashSet, path::Path};

use bytes::Bytes;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Commit,
    config::normalise,
    layers::{Registries, push_everywhere, push_layers},
    previous::{Layer, known_layers},
};
use crate::{
    event::{Event, Events},
    exit::{Exit, Failure},
    oci::{DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, Digest, Platform, RawManifest, Tag, digest_of},
    podman::Podman,
    registry::{Blob, BlobSource, Name, RegistryError},
};

/// What to stage, and how.
pub struct StageOptions<'a> {
    /// The id of the image in podman's store.
    pub image: &'a Digest,
    /// The platform that it was built for.
    pub platform: &'a Platform,
    /// The commit that it was built from.
    pub commit: &'a Commit,
    /// The tag whose present image shows which layers the repositories have.
    pub previous: &'a Tag,
    /// Where compressed layers wait until every registry has them.
    pub spool: &'a Path,
}

/// One platform's image that is on every registry by digest, as it is handed over and reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedImage {
    /// The platform that it was built for, `linux/arm64`.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// What a pull transfers: bytes of the configuration and the compressed layers.
    pub size: u64,
    /// How many layers the image has.
    pub layers: usize,
    /// How many of them every repository held before: they were neither compressed nor sent.
    pub layers_known: usize,
    /// Bytes of layers and configuration that were sent, to all registries together.
    pub bytes_uploaded: u64,
}

/// A staged image with its manifest and configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The image.
    pub image: StagedImage,
    /// Its manifest.
    pub manifest: RawManifest,
    /// Its configuration.
    pub config: Bytes,
}

/// Puts an image on all registries by digest: layers, configuration, manifest, in this order, because registries refuse
/// manifests whose parts they lack.
///
/// # Errors
/// [`Exit::BuildFailed`] when the image is not of its platform, [`Exit::PushFailed`] when a registry fails for good,
/// [`Exit::Failed`] when podman fails or the disk is full.
pub async fn stage(
    podman: &Podman,
    options: StageOptions<'_>,
    registries: &Registries,
    events: &Events,
) -> Result<Staged, Failure> {
    let StageOptions { image, platform, commit, previous, .. } = options;
    let info = podman.inspect(image).await?;
    if !info.is_of(platform) {
        let seen = format!("{}/{}", info.os, info.architecture);
        let message = format!("the image that was built for {platform} says that it is {seen}");
        return Err(Failure::new(Exit::BuildFailed, message).hint(
            "a `FROM --platform=…` in the Containerfile's last stage, or a base image of one platform only, does this",
        ));
    }
    let mut config = info.config.as_ref().map(|config| to_publish(config, commit)).transpose()?;
    let config_digest = config.as_ref().map(|config| digest_of(config));
    let mut layers = known_layers(registries, previous, platform, &info.diff_ids, config_digest.as_ref()).await?;
    let layers_known = info.diff_ids.iter().filter(|diff_id| layers.contains_key(*diff_id)).count();
    for (diff_id, layer) in &layers {
        events.event(Event::LayerKnown { platform: platform.clone(), diff_id: diff_id.clone(), size: layer.size });
    }

    let mut bytes_uploaded = 0;
    let missing: HashSet<_> = info.diff_ids.iter().filter(|diff_id| !layers.contains_key(*diff_id)).cloned().collect();
    let all_known = missing.is_empty();
    if !all_known || config.is_none() {
        let (read, pushed) = push_layers(podman, &info, missing, &options, registries, events).await?;
        for (diff_id, layer, uploaded) in pushed {
            layers.insert(diff_id, layer);
            bytes_uploaded += uploaded;
        }
        if let Some(read) = read {
            config = Some(to_publish(&read, commit)?);
        }
    }
    let config = config.ok_or_else(|| Failure::other("podman gave no configuration"))?;

    let layers: Vec<Layer> = info.diff_ids.iter().filter_map(|diff_id| layers.get(diff_id)).cloned().collect();
    if layers.len() != info.diff_ids.len() {
        return Err(Failure::other("podman gave fewer layers than the image has"));
    }
    let blob =
        Blob { digest: digest_of(&config), size: config.len() as u64, source: BlobSource::Memory(config.clone()) };
    let manifest = assemble(&blob, &layers);
    let uploaded = try_join_all(registries.iter().map(async |registry| {
        // Where every layer is known, so may be the whole image: a build that changed nothing.
        if all_known && registry.has_manifest(&manifest.digest).await? {
            return Ok::<_, RegistryError>(0);
        }
        let uploaded = push_everywhere(std::slice::from_ref(registry), &blob, platform, events).await?;
        registry.put_manifest(Name::Digest(&manifest.digest), &manifest).await?;
        Ok(uploaded)
    }))
    .await?;
    bytes_uploaded += uploaded.iter().sum::<u64>();
    let image = StagedImage {
        platform: platform.clone(),
        digest: manifest.digest.clone(),
        size: blob.size + layers.iter().map(|layer| layer.size).sum::<u64>(),
        layers: layers.len(),
        layers_known,
        bytes_uploaded,
    };
    Ok(Staged { image, manifest, config })
}

/// The configuration to send.
fn to_publish(config: &Bytes, commit: &Commit) -> Result<Bytes, Failure> {
    normalise(config, commit)
        .map_err(|error| Failure::other("podman's image configuration is not understood").because(error))
}

/// A Docker image manifest (version 2, schema 2): compact JSON, so that the same image always gives the same bytes.
fn assemble(config: &Blob, layers: &[Layer]) -> RawManifest {
    let descriptor = |media_type: &str, size: u64, digest: &Digest| -> Value {
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    };
    let layers = layers.iter().map(|layer| descriptor(DOCKER_LAYER_GZIP, layer.size, &layer.digest));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(DOCKER_CONFIG, config.size, &config.digest),
        "layers": layers.collect::<Vec<_>>(),
    });
    RawManifest::new(DOCKER_MANIFEST, manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest_of;

    #[test]
    fn the_manifest_is_dockers_to_the_byte() {
        let layer = Layer { digest: digest_of(b"layer"), size: 5 };
        let (digest, source) = (digest_of(b"{}"), BlobSource::Memory(Bytes::from_static(b"{}")));
        let config = Blob { digest, size: 2, source };
        let manifest = assemble(&config, &[layer]);
        assert_eq!(manifest.media_type, DOCKER_MANIFEST);
        insta::assert_snapshot!(String::from_utf8_lossy(&manifest.bytes), @r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":"sha256:dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85","size":5}]}"#);
    }
}
