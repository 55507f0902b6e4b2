//! Which layers are known to be everywhere.

use std::collections::HashMap;

use rstest::rstest;

use super::{
    super::previous::{Layer, known_layers},
    NAME, SampleImage, amd64, clients, latest,
};
use crate::{
    oci::{DOCKER_MANIFEST, Digest, RawManifest, digest_of},
    registry::{
        RegistryError,
        testing::{Answer, Effect, Fault, Scripted},
    },
};

const MANIFEST_BY_DIGEST: &str = "/v2/acme/hello/manifests/sha256:*";
const BLOB: &str = "/v2/acme/hello/blobs/sha256:*";

/// What was published, and what is to be: one layer is new.
fn old() -> SampleImage {
    SampleImage::new("old", &["base", "tools"])
}

fn new() -> SampleImage {
    SampleImage::new("new", &["base", "tools", "program"])
}

async fn known(servers: &[&Scripted], image: &SampleImage) -> Result<HashMap<Digest, Layer>, RegistryError> {
    known_layers(&clients(servers), &latest(), &amd64(), &image.diff_ids(), Some(&image.config_digest())).await
}

/// These layers, as `by` compressed them.
fn layers(layers: &[&str], by: &str) -> HashMap<Digest, Layer> {
    let layer = |layer: &&str| {
        let bytes = SampleImage::compressed(layer, by);
        (digest_of(layer.as_bytes()), Layer { digest: digest_of(&bytes), size: bytes.len() as u64 })
    };
    layers.iter().map(layer).collect()
}

#[tokio::test]
async fn layers_of_the_previous_image_that_all_registries_hold_are_known() {
    let (one, two) = (Scripted::start(Vec::new()).await, Scripted::start(Vec::new()).await);
    old().publish(&one, "us", "linux/amd64");
    old().publish(&two, "us", "linux/amd64");
    assert_eq!(known(&[&one, &two], &new()).await.unwrap(), layers(&["base", "tools"], "us"));
    // List, manifest, configuration; then each layer once.
    assert_eq!((one.story().as_str(), two.story().as_str()), ("GET GET GET HEAD HEAD", "GET GET GET HEAD HEAD"));
}

#[tokio::test]
async fn what_only_one_registry_holds_is_not_known() {
    let (one, two) = (Scripted::start(Vec::new()).await, Scripted::start(Vec::new()).await);
    old().publish(&one, "us", "linux/amd64");
    assert_eq!(known(&[&one, &two], &new()).await.unwrap(), HashMap::new());
    // It may have come there in another way than by this image.
    two.store(|store| store.put_blob(NAME, &SampleImage::compressed("tools", "us")));
    assert_eq!(known(&[&one, &two], &new()).await.unwrap(), layers(&["tools"], "us"));
}

#[tokio::test]
async fn of_two_forms_of_a_layer_the_one_that_all_hold_is_taken() {
    let (one, two) = (Scripted::start(Vec::new()).await, Scripted::start(Vec::new()).await);
    old().publish(&one, "us", "linux/amd64");
    old().publish(&two, "them", "linux/amd64");
    assert_eq!(known(&[&one, &two], &new()).await.unwrap(), HashMap::new());
    one.store(|store| store.put_blob(NAME, &SampleImage::compressed("base", "them")));
    assert_eq!(known(&[&one, &two], &new()).await.unwrap(), layers(&["base"], "them"));
}

#[tokio::test]
async fn the_configuration_of_the_very_same_image_is_not_read() {
    let server = Scripted::start(Vec::new()).await;
    old().publish(&server, "us", "linux/amd64");
    assert_eq!(known(&[&server], &old()).await.unwrap(), layers(&["base", "tools"], "us"));
    assert_eq!(server.story(), "GET GET HEAD HEAD");
}

#[tokio::test]
async fn a_tag_may_point_at_the_image_itself() {
    let server = Scripted::start(Vec::new()).await;
    old().publish(&server, "us", "linux/amd64");
    server.store(|store| store.put_manifest(NAME, Some("latest"), &old().manifest("us")));
    assert_eq!(known(&[&server], &new()).await.unwrap(), layers(&["base", "tools"], "us"));
}

#[tokio::test]
async fn a_list_without_our_platform_tells_nothing() {
    let server = Scripted::start(Vec::new()).await;
    old().publish(&server, "us", "linux/arm64");
    assert_eq!(known(&[&server], &new()).await.unwrap(), HashMap::new());
    assert_eq!(server.story(), "GET");
}

/// Our manifests say gzip, so nothing else may be taken over.
#[rstest]
#[case::docker("application/vnd.docker.image.rootfs.diff.tar.gzip", true)]
#[case::oci("application/vnd.oci.image.layer.v1.tar+gzip", true)]
#[case::zstd("application/vnd.oci.image.layer.v1.tar+zstd", false)]
#[case::uncompressed("application/vnd.oci.image.layer.v1.tar", false)]
#[case::foreign("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", false)]
#[tokio::test]
async fn only_layers_that_are_compressed_as_ours_are_known(#[case] layer_type: &'static str, #[case] is_known: bool) {
    let server = Scripted::start(Vec::new()).await;
    let mut image = old();
    image.layer_type = layer_type;
    image.publish(&server, "us", "linux/amd64");
    assert_eq!(known(&[&server], &new()).await.unwrap().is_empty(), !is_known);
}

/// What is spoiled is about to be replaced; it must not stop the run that does so.
#[rstest]
#[case::damaged_manifest(Fault::nth(1, "GET", MANIFEST_BY_DIGEST, Effect::DamageAnswer))]
#[case::lost_manifest(Fault::nth(1, "GET", MANIFEST_BY_DIGEST, Effect::Answer(Answer::status(404))))]
#[case::damaged_configuration(Fault::nth(1, "GET", BLOB, Effect::DamageAnswer))]
#[case::lost_configuration(Fault::nth(1, "GET", BLOB, Effect::Answer(Answer::status(404))))]
#[case::endless_configuration(Fault::nth(1, "GET", BLOB, Effect::Answer(Answer::status(200).body(vec![b' '; 9 << 20]))))]
#[tokio::test]
async fn a_previous_image_that_cannot_be_read_tells_nothing(#[case] fault: Fault) {
    let server = Scripted::start(vec![fault]).await;
    old().publish(&server, "us", "linux/amd64");
    assert_eq!(known(&[&server], &new()).await.unwrap(), HashMap::new());
}

#[rstest]
#[case::no_manifest("[]")]
#[case::no_json("<html>")]
#[case::no_list(r#"{"schemaVersion":2,"manifests":"none"}"#)]
#[tokio::test]
async fn a_tag_that_points_at_something_else_tells_nothing(
    #[case] document: &'static str,
    #[values(DOCKER_MANIFEST, crate::oci::DOCKER_LIST)] media_type: &str,
) {
    let server = Scripted::start(Vec::new()).await;
    server.store(|store| store.put_manifest(NAME, Some("latest"), &RawManifest::new(media_type, document)));
    assert_eq!(known(&[&server], &new()).await.unwrap(), HashMap::new());
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_its_manifest_tells_nothing() {
    let server = Scripted::start(Vec::new()).await;
    old().publish(&server, "us", "linux/amd64");
    let manifest = String::from_utf8(old().manifest("us").bytes.to_vec()).unwrap();
    let other = SampleImage::new("other", &["base"]);
    let mixed = manifest.replace(old().config_digest().as_ref(), other.config_digest().as_ref());
    other.publish(&server, "us", "linux/amd64");
    server.store(|store| store.put_manifest(NAME, Some("latest"), &RawManifest::new(DOCKER_MANIFEST, mixed)));
    assert_eq!(known(&[&server], &new()).await.unwrap(), HashMap::new());
}

#[tokio::test]
async fn a_registry_that_cannot_be_talked_to_is_a_failure() {
    let (one, two) = (
        Scripted::start(Vec::new()).await,
        Scripted::start(vec![Fault::always("GET", "*", Effect::Answer(Answer::status(503)))]).await,
    );
    old().publish(&one, "us", "linux/amd64");
    assert_eq!(known(&[&one, &two], &new()).await.unwrap_err().attempts, 3);
}
