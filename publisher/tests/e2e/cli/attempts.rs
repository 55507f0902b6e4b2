//! How often an operation is tried: three times and no more, and once is enough where the trouble passes.

use rstest::rstest;
use serde_json::Value;

use crate::support::{FakeImage, Fault, Program, World};

/// One platform, so that of each operation there is one at a time and its requests can be counted.
fn release(world: &World) -> Program {
    world.publish("refs/tags/v1.0.0").args(&["--platforms", "linux/amd64"])
}

/// A world in which `latest` is published and the source has changed since.
async fn world() -> (World, String) {
    let mut world = World::new().await;
    let latest = world.published("refs/heads/main", "latest").await;
    world.change("two");
    (world, latest)
}

#[rstest]
#[case::what_is_published("GET", "/manifests/latest")]
#[case::blob_look_up("HEAD", "/blobs/sha256:")]
#[case::first_contact("POST", "/blobs/uploads/")]
#[case::blob_bytes("PATCH", "/blobs/uploads/")]
#[case::manifest("PUT", "/manifests/sha256:")]
#[case::tag("PUT", "/manifests/1.0.0")]
#[tokio::test]
async fn each_operation_is_tried_three_times_and_no_more(
    #[case] method: &'static str,
    #[case] path: &str,
    #[values(Fault::Status(503), Fault::Cut(0))] fault: Fault,
) {
    let (world, latest) = world().await;
    world.proxy.inject(method, path, fault);
    release(&world).run().await.expect(4, &["dockerhub", "after 3 attempts", "left: "]);
    assert_eq!(world.proxy.hits(), 3);
    assert_eq!(world.shown("1.0.0").await, [None, None]);
    assert_eq!(world.shown("latest").await, [Some(latest.clone()), Some(latest)]);
}

#[tokio::test]
async fn the_end_of_an_upload_is_tried_three_times_and_no_more() {
    let (world, _) = world().await;
    world.proxy.inject("PUT", "/blobs/uploads/", Fault::Status(503));
    release(&world).run().await.expect(4, &["push blob", "after 3 attempts", "nothing was published"]);
    assert_eq!(world.proxy.hits(), 3);
    assert_eq!(world.shown("1.0.0").await, [None, None]);
}

#[tokio::test]
async fn a_list_that_one_registry_does_not_take_is_tagged_nowhere() {
    let (world, latest) = world().await;
    // The same commit gives the same list, which one registry gets beforehand under another name.
    let beforehand =
        world.publish("refs/tags/v0.9.0").env("TALLYMAN_REGISTRIES", format!("ghcr={}/acme/hello", world.ghcr.host));
    beforehand.run().await.expect(0, &[]);
    let list = world.ghcr.digest("0.9.0").await.unwrap();
    world.proxy.inject("PUT", &format!("/manifests/{list}"), Fault::Status(503));
    world
        .publish("refs/tags/v1.0.0")
        .run()
        .await
        .expect(4, &["push manifest", "after 3 attempts", "nothing was published"]);
    assert_eq!(world.proxy.hits(), 3);
    assert_eq!(world.shown("1.0.0").await, [None, None]);
    assert_eq!(world.shown("latest").await, [Some(latest.clone()), Some(latest)]);
}

#[rstest]
#[case("HEAD", "/blobs/sha256:", Fault::Status(429))]
#[case("POST", "/blobs/uploads/", Fault::Status(502))]
#[case("PATCH", "/blobs/uploads/", Fault::Status(500))]
#[case("PATCH", "/blobs/uploads/", Fault::Cut(0))]
// The upload ends, but its answer is lost, which is seen by looking the blob up.
#[case("PUT", "/blobs/uploads/", Fault::Cut(0))]
#[case("PUT", "/manifests/sha256:", Fault::Cut(0))]
#[case("PUT", "/manifests/1.0.0", Fault::Status(504))]
#[tokio::test]
async fn trouble_that_passes_is_survived_and_counted(
    #[case] method: &'static str,
    #[case] path: &str,
    #[case] fault: Fault,
) {
    let (world, _) = world().await;
    world.proxy.inject_times(2, method, path, fault);
    let ended = release(&world).args(&["--output", "json"]).run().await;
    ended.expect(0, &[]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((world.proxy.hits(), &result["registries"][1]["retries"]), (2, &2.into()));
    let [ghcr, dockerhub] = world.shown("1.0.0").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}

#[tokio::test]
async fn a_tag_whose_answer_got_lost_is_no_failure() {
    let (world, _) = world().await;
    // Everything reaches the registry, no answer comes back.
    world.proxy.inject("PUT", "/manifests/1.0.0", Fault::Cut(usize::MAX));
    release(&world).run().await.expect(0, &[]);
    // The look before the second attempt shows that the first one did it.
    assert_eq!(world.proxy.hits(), 1);
    let [ghcr, dockerhub] = world.shown("1.0.0").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_made_whole() {
    const LAYER: usize = 4_000_000;
    let (world, _) = world().await;
    let mut random = fastrand::Rng::with_seed(2);
    world.podman.prepare(&FakeImage {
        architecture: "amd64",
        layers: &[(0..LAYER).map(|_| random.u8(..)).collect()],
        revision: &world.source.head(),
        committed: world.source.last_commit_time(),
    });
    world.proxy.inject_times(1, "PATCH", "/blobs/uploads/", Fault::Cut(LAYER / 2));
    let begun = world.dockerhub.requests("POST").len();
    release(&world).run().await.expect(0, &["the connection broke off"]);
    // Whether it may push, layer, configuration, and the layer anew: this registry signs the offset into an upload's address, so after a
    // break it does not say where the upload stands.
    assert_eq!(world.dockerhub.requests("POST").len() - begun, 4);
    assert_eq!(world.proxy.hits(), 1);
    let [ghcr, dockerhub] = world.shown("1.0.0").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}
