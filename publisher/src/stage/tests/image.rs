//! A whole image from podman's store to the registries.

use std::{io::Read as _, sync::Arc};

use flate2::read::MultiGzDecoder;
use oci_spec::image::ImageManifest;

use super::{
    super::{Commit, StageOptions, Staged, stage},
    NAME, SampleImage, amd64, clients, latest, outcomes,
};
use crate::{
    event::{BlobOutcome, Event, Events},
    exit::{Exit, Failure},
    oci::Platform,
    podman::Podman,
    registry::testing::{Answer, Effect, Fault, Scripted, Told},
};

fn sample() -> SampleImage {
    SampleImage::new("new", &["base", "program"])
}

async fn staged(
    image: &SampleImage,
    platform: &Platform,
    servers: &[&Scripted],
) -> (Result<Staged, Failure>, Arc<Told>) {
    let (_folder, podman) = image.in_podman();
    staged_from(&podman, image, platform, servers).await
}

async fn staged_from(
    podman: &Podman,
    image: &SampleImage,
    platform: &Platform,
    servers: &[&Scripted],
) -> (Result<Staged, Failure>, Arc<Told>) {
    let (spool, told) = (tempfile::tempdir().unwrap(), Arc::new(Told::default()));
    let (image, commit, previous) = (image.id(), Commit::default(), latest());
    let options = StageOptions { image: &image, platform, commit: &commit, previous: &previous, spool: spool.path() };
    let result = stage(podman, options, &clients(servers), &(Arc::clone(&told) as Events)).await;
    assert_eq!(spool.path().read_dir().unwrap().count(), 0, "compressed layers are left over");
    (result, told)
}

/// The uncompressed layers of an image that a registry has.
fn unpacked(server: &Scripted, staged: &Staged) -> Vec<String> {
    let manifest: ImageManifest = serde_json::from_slice(&staged.manifest.bytes).unwrap();
    let unpack = |digest| {
        let bytes = server.store(|store| store.blob(NAME, digest).unwrap().to_vec());
        let mut text = String::new();
        MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
        text
    };
    manifest.layers().iter().map(|layer| unpack(layer.digest())).collect()
}

#[tokio::test]
async fn an_image_comes_to_all_registries_as_the_same_bytes_and_under_no_tag() {
    let (one, two) = (Scripted::start(Vec::new()).await, Scripted::start(Vec::new()).await.with_tokens());
    let (staged, told) = staged(&sample(), &amd64(), &[&one, &two]).await;
    let staged = staged.unwrap();
    for server in [&one, &two] {
        assert_eq!(unpacked(server, &staged), ["base", "program"]);
        server.store(|store| {
            assert_eq!(store.manifest(NAME, &staged.manifest.digest), Some(&staged.manifest));
            assert!(store.blob(NAME, &sample().config_digest()).is_some() && store.tag(NAME, "latest").is_none());
        });
    }
    assert_eq!(
        (staged.image.layers, staged.image.layers_known, staged.image.bytes_uploaded),
        (2, 0, 2 * staged.image.size)
    );
    assert_eq!(outcomes(&told), [BlobOutcome::Uploaded; 6]);
}

#[rstest::rstest]
#[case::as_it_should_be("", 0)]
#[case::another_lower_layer("base", 1)]
#[case::another_top_layer("program", 1)]
#[tokio::test]
async fn podman_is_asked_only_for_layers_that_its_store_does_not_show(#[case] spoiled: &str, #[case] saves: usize) {
    let server = Scripted::start(Vec::new()).await;
    let (folder, podman) = sample().in_open_store(spoiled);
    let staged = staged_from(&podman, &sample(), &amd64(), &[&server]).await.0.unwrap();
    assert_eq!(unpacked(&server, &staged), ["base", "program"]);
    let asked = std::fs::read_to_string(folder.path().join("saves")).unwrap_or_default();
    assert_eq!(asked.lines().count(), saves);
}

/// `FROM scratch` and `LABEL`: podman has no list of its layers, and its store does not show its configuration.
#[tokio::test]
async fn an_image_without_layers_is_staged() {
    let server = Scripted::start(Vec::new()).await;
    let image = SampleImage::new("labels", &[]);
    let staged = staged(&image, &amd64(), &[&server]).await.0.unwrap();
    let manifest: ImageManifest = serde_json::from_slice(&staged.manifest.bytes).unwrap();
    assert_eq!((manifest.layers().len(), staged.image.layers), (0, 0));
    assert_eq!(*manifest.config().digest(), image.config_digest());
    assert!(server.store(|store| store.blob(NAME, &image.config_digest()).is_some()));
}

/// What podman has is not what is sent: the manifest names the bytes that the registry got.
#[tokio::test]
async fn the_manifest_names_the_configuration_that_was_sent() {
    let server = Scripted::start(Vec::new()).await;
    let image = sample().built_at("2026-11-26T18:06:50Z");
    let staged = staged(&image, &amd64(), &[&server]).await.0.unwrap();
    let manifest: ImageManifest = serde_json::from_slice(&staged.manifest.bytes).unwrap();
    assert_eq!(*manifest.config().digest(), sample().config_digest());
    let sent = server.store(|store| store.blob(NAME, &sample().config_digest()).unwrap().to_vec());
    assert_eq!(manifest.config().size(), sent.len() as u64);
    assert!(server.store(|store| store.blob(NAME, &image.config_digest()).is_none()), "podman's own was sent");
}

#[tokio::test]
async fn an_image_that_is_there_is_only_looked_up() {
    let server = Scripted::start(Vec::new()).await;
    let first = staged(&sample(), &amd64(), &[&server]).await.0.unwrap();
    server.store(|store| store.put_manifest(NAME, Some("latest"), &first.manifest));
    let before = server.seen().len();
    let (second, told) = staged(&sample(), &amd64(), &[&server]).await;
    let second = second.unwrap();
    assert_eq!((second.image.layers_known, second.image.bytes_uploaded), (2, 0));
    assert_eq!(second.manifest, first.manifest);
    // The tag's image, both of its layers, the manifest by its digest.
    let seen: Vec<_> = server.seen()[before..].iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(seen, ["GET", "HEAD", "HEAD", "HEAD"]);
    let known = told.events().iter().filter(|event| matches!(event, Event::LayerKnown { .. })).count();
    assert_eq!(known, 2);
}

#[tokio::test]
async fn only_what_is_new_is_sent() {
    let server = Scripted::start(Vec::new()).await;
    let first = staged(&sample(), &amd64(), &[&server]).await.0.unwrap();
    server.store(|store| store.put_manifest(NAME, Some("latest"), &first.manifest));
    let (second, told) = staged(&SampleImage::new("newer", &["base", "other"]), &amd64(), &[&server]).await;
    let second = second.unwrap();
    assert_eq!((second.image.layers, second.image.layers_known), (2, 1));
    assert_eq!(unpacked(&server, &second), ["base", "other"]);
    // The layer, and the configuration.
    assert_eq!(outcomes(&told), [BlobOutcome::Uploaded; 2]);
}

#[tokio::test]
async fn where_all_layers_are_known_a_registry_that_lacks_the_manifest_gets_it() {
    let (one, two) = (Scripted::start(Vec::new()).await, Scripted::start(Vec::new()).await);
    let first = staged(&sample(), &amd64(), &[&one, &two]).await.0.unwrap();
    one.store(|store| store.put_manifest(NAME, Some("latest"), &first.manifest));
    two.store(|store| store.forget_manifest(NAME, &first.manifest.digest));
    let (second, told) = staged(&sample(), &amd64(), &[&one, &two]).await;
    assert_eq!(second.unwrap().image.bytes_uploaded, 0);
    assert!(two.store(|store| store.manifest(NAME, &first.manifest.digest).is_some()));
    // The configuration is looked up on the one that needs the manifest.
    assert_eq!(outcomes(&told), [BlobOutcome::Present]);
}

#[tokio::test]
async fn an_image_for_another_platform_is_not_sent() {
    let server = Scripted::start(Vec::new()).await;
    let failure = staged(&sample(), &"linux/arm64".parse().unwrap(), &[&server]).await.0.unwrap_err();
    assert_eq!((failure.exit, server.story().as_str()), (Exit::BuildFailed, ""));
}

#[tokio::test]
async fn no_manifest_is_put_where_a_layer_is_missing() {
    let denied = Effect::Answer(Answer::error(403, "DENIED"));
    let server = Scripted::start(vec![Fault::nth(2, "POST", "*", denied)]).await;
    let failure = staged(&sample(), &amd64(), &[&server]).await.0.unwrap_err();
    assert_eq!(failure.exit, Exit::PushFailed);
    assert!(server.seen().iter().all(|seen| !seen.path.contains("/manifests/sha256:")), "{}", server.story());
}
