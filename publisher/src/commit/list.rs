//! The manifest list: one entry a platform, put everywhere by digest before any tag moves.

use std::sync::Arc;

use futures::future::try_join_all;
use oci_spec::{
    OciSpecError,
    image::{DescriptorBuilder, ImageIndexBuilder, MediaType, PlatformBuilder},
};

use super::Child;
use crate::{
    oci::{DOCKER_LIST, DOCKER_MANIFEST, RawManifest},
    registry::{Name, Registry, RegistryError},
};

/// Makes a Docker manifest list (version 2) of the children, in their order. Compact JSON: the same children always
/// give the same bytes, so the digest is the same on all registries and in all runs.
///
/// # Errors
/// Those of `oci-spec` for incomplete documents, which cannot happen here.
pub fn assemble(children: &[Child]) -> Result<RawManifest, OciSpecError> {
    let entry = |child: &Child| {
        let platform = PlatformBuilder::default().architecture(child.platform.architecture()).os(child.platform.os());
        let platform = match &child.variant {
            Some(variant) => platform.variant(variant.as_str()),
            None => platform,
        };
        DescriptorBuilder::default()
            .media_type(MediaType::Other(DOCKER_MANIFEST.into()))
            .digest(child.manifest.digest.clone())
            .size(child.manifest.bytes.len() as u64)
            .platform(platform.build()?)
            .build()
    };
    let list = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::Other(DOCKER_LIST.into()))
        .manifests(children.iter().map(entry).collect::<Result<Vec<_>, _>>()?)
        .build()?;
    Ok(RawManifest::new(DOCKER_LIST, serde_json::to_vec(&list)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commit::Build, oci::digest_of};

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
        let list = assemble(&[child("linux/amd64", None), child("linux/arm64", Some("v8"))]).unwrap();
        assert_eq!(list.media_type, DOCKER_LIST);
        insta::assert_snapshot!(String::from_utf8_lossy(&list.bytes), @r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942","size":11,"platform":{"architecture":"amd64","os":"linux"}},{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a","size":11,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}"#);
    }
}
