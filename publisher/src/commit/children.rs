//! The images that a list will name, read back from the registries: a digest is no proof of what is behind it.

use std::sync::Arc;

use futures::future::try_join_all;
use oci_spec::image::ImageManifest;
use serde::Deserialize;

use super::{Build, Record, TagMove};
use crate::{
    event::{Event, Events},
    exit::{Exit, Failure},
    oci::{DOCKER_MANIFEST, Digest, Platform, RawManifest, short},
    registry::{Name, Registry, RegistryError},
};

/// One entry of the list to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its platform, with the variant that the image itself names.
    pub platform: Platform,
    /// The variant in the image's configuration, `v8`.
    pub variant: Option<String>,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's size in bytes.
    pub size: u64,
    /// What the image says of its build.
    pub build: Build,
    /// The manifest itself.
    pub manifest: RawManifest,
}

/// What is needed of an image's configuration.
#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// Reads each platform's manifest and configuration, and makes sure that every registry has the manifest, that it is a
/// Docker one, and that the image says itself that it is of this platform and this commit.
///
/// # Errors
/// [`Exit::Failed`] for an image that is not what its record says, [`Exit::PushFailed`] for a registry that fails.
pub async fn read_children(
    registries: &[Arc<Registry>],
    records: &[Record],
    commit: &str,
) -> Result<Vec<Child>, Failure> {
    try_join_all(records.iter().map(|record| read_child(registries, record, commit))).await
}

async fn read_child(registries: &[Arc<Registry>], record: &Record, commit: &str) -> Result<Child, Failure> {
    let Record { platform, digest, .. } = record;
    let (first, others) =
        registries.split_first().ok_or_else(|| Failure::new(Exit::Failed, "no registry is configured"))?;
    let absent = |registry: &Registry| {
        let message = format!("the image for {platform} ({}) is not on {}", short(digest), registry.name());
        Failure::new(Exit::Failed, message).hint("run the build of this platform again")
    };
    let lookups = try_join_all(
        others.iter().map(
            async |registry| {
                if registry.has_manifest(digest).await? { Ok(()) } else { Err(absent(registry)) }
            },
        ),
    );
    let (manifest, _) = tokio::try_join!(async { Ok(first.manifest(Name::Digest(digest)).await?) }, lookups)?;
    let manifest = manifest.ok_or_else(|| absent(first))?;

    let strange =
        |what: String| Failure::new(Exit::Failed, format!("the image for {platform} ({}) {what}", short(digest)));
    if manifest.media_type != DOCKER_MANIFEST {
        return Err(strange(format!("is no Docker image but {}", manifest.media_type)));
    }
    let parsed: ImageManifest = serde_json::from_slice(&manifest.bytes)
        .map_err(|error| strange("has an unreadable manifest".into()).because(error))?;
    let config = first.blob(parsed.config().digest()).await?;
    let config = config.ok_or_else(|| strange("has no configuration".into()))?;
    let Config { os, architecture, variant } = serde_json::from_slice(&config)
        .map_err(|error| strange("has an unreadable configuration".into()).because(error))?;
    if !platform.is(&os, &architecture, variant.as_deref()) {
        return Err(strange(format!("says that it is {os}/{architecture}")));
    }
    let build = Build::of_config(&config);
    if build.revision.as_deref() != Some(commit) {
        let seen = build.revision.as_deref().unwrap_or("no commit at all");
        return Err(strange(format!("was built from {seen}, expected {commit}")));
    }
    let size = manifest.bytes.len() as u64;
    Ok(Child { platform: platform.clone(), variant, digest: digest.clone(), size, build, manifest })
}

/// Makes sure that every image is still there now that the tag points at it. Somebody else's clean-up may have looked
/// before the tag was there and deleted after: what is missing is put back.
///
/// # Errors
/// [`Exit::PushFailed`] when a registry fails for good. The tag has moved by then.
pub async fn ensure_children(
    registries: &[Arc<Registry>],
    children: &[Child],
    to: &TagMove<'_>,
    events: &Events,
) -> Result<(), Failure> {
    let ensure = async |registry: &Arc<Registry>| {
        for Child { platform, digest, manifest, .. } in children {
            if registry.has_manifest(digest).await? {
                continue;
            }
            registry.put_manifest(Name::Digest(digest), manifest).await?;
            let name = registry.name();
            events.event(Event::Warning(format!("the image for {platform} had vanished from {name}: it was put back")));
        }
        Ok(())
    };
    let ensured = try_join_all(registries.iter().map(ensure)).await;
    let left = || format!("{} was moved, and an image that it needs may be missing", to.tag);
    ensured.map(drop).map_err(|error: RegistryError| Failure::from(error).left(left()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        oci::Tag,
        registry::testing::{Scripted, registry},
    };

    /// As somebody else's clean-up leaves it that looked before the tag was there.
    #[tokio::test]
    async fn an_image_that_vanished_while_its_tag_was_set_is_put_back() {
        let server = Scripted::start(Vec::new()).await;
        let (client, told) = registry(&server, "acme/hello");
        let child = |platform: &str| {
            let document = serde_json::json!({ "mediaType": DOCKER_MANIFEST, "for": platform });
            let manifest = RawManifest::new(DOCKER_MANIFEST, document.to_string());
            let (digest, size) = (manifest.digest.clone(), manifest.bytes.len() as u64);
            let platform = platform.parse().unwrap();
            Child { platform, variant: None, digest, size, build: Build::default(), manifest }
        };
        let children = [child("linux/amd64"), child("linux/arm64")];
        server.store(|store| store.put_manifest("acme/hello", None, &children[0].manifest));
        let (tag, list, build) = (Tag::latest(), children[0].manifest.clone(), Build::default());
        let to = TagMove { tag: &tag, list: &list, build: &build, floating: true, fresh: &[true] };
        let events = Arc::clone(&told) as Events;
        ensure_children(&[Arc::new(client)], &children, &to, &events).await.unwrap();
        assert!(server.store(|store| store.manifest("acme/hello", &children[1].digest).is_some()));
        assert_eq!(server.story(), format!("HEAD HEAD PUT({})", children[1].size));
        let [Event::Warning(warning)] = &told.events()[..] else { panic!("{:?}", told.events()) };
        assert_eq!(warning, "the image for linux/arm64 had vanished from test: it was put back");
    }
}
