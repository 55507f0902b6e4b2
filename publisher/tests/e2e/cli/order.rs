//! `latest` never moves back to an older commit.

use crate::support::{World, http};

#[tokio::test]
async fn an_older_commit_does_not_take_latest_back() {
    let mut world = World::new().await;
    let older = world.source.head();
    world.change("two");
    let newer = world.published("refs/heads/main", "latest").await;

    world.source.check_out(&older);
    world.prepare_images("one");
    world.publish("refs/heads/main").run().await.expect(5, &["a newer build is published as latest", "left: "]);
    assert_eq!(world.shown("latest").await, [Some(newer.clone()), Some(newer)]);
}

#[tokio::test]
async fn a_registry_that_was_left_behind_follows_the_newer_build() {
    let mut world = World::new().await;
    let older = world.source.head();
    world.published("refs/heads/main", "latest").await;
    let old = world.ghcr.manifest("latest").await.unwrap();
    world.change("two");
    // As a killed run would have left it: one tag moved, nothing cleaned up.
    world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "off").run().await.expect(0, &[]);
    let newer = world.ghcr.digest("latest").await.unwrap();
    let behind = http()
        .put(format!("http://{}/v2/acme/hello/manifests/latest", world.dockerhub.host))
        .header("content-type", "application/vnd.docker.distribution.manifest.list.v2+json")
        .body(old);
    assert!(behind.send().await.unwrap().status().is_success());

    world.source.check_out(&older);
    world.prepare_images("one");
    world.publish("refs/heads/main").run().await.expect(5, &["follows the newer build"]);
    assert_eq!(world.shown("latest").await, [Some(newer.clone()), Some(newer)]);
}

#[tokio::test]
async fn a_version_may_be_released_from_an_older_commit() {
    let mut world = World::new().await;
    let older = world.source.head();
    world.change("two");
    world.published("refs/heads/main", "latest").await;
    world.source.check_out(&older);
    world.prepare_images("one");
    world.published("refs/tags/v0.9.1", "0.9.1").await;
}

#[tokio::test]
async fn a_commit_from_the_future_gives_way_where_that_is_asked_for() {
    let mut world = World::new().await;
    let older = world.source.head();
    world.change("of a wrong date");
    world.published("refs/heads/main", "latest").await;
    world.source.check_out(&older);
    world.prepare_images("one");
    world.publish("refs/heads/main").run().await.expect(5, &["hint: ", "--even-if-older"]);
    world.publish("refs/heads/main").args(&["--even-if-older"]).run().await.expect(0, &[]);
    let [ghcr, dockerhub] = world.shown("latest").await;
    assert_eq!(ghcr, dockerhub);
    let list: serde_json::Value = serde_json::from_slice(&world.ghcr.manifest("latest").await.unwrap()).unwrap();
    let image = world.ghcr.manifest(list["manifests"][0]["digest"].as_str().unwrap()).await.unwrap();
    let image: serde_json::Value = serde_json::from_slice(&image).unwrap();
    let config = world.ghcr.blob(image["config"]["digest"].as_str().unwrap()).await.unwrap();
    assert!(String::from_utf8(config).unwrap().contains(&older));
}

/// Two commits of the same second, the second made from the first: whichever is published last, the second is `latest`.
#[tokio::test]
async fn of_two_commits_of_the_same_second_the_child_is_newer() {
    for _ in 0..2 {
        let mut world = World::new().await;
        let parent = world.source.head();
        world.source.commit_at_once();
        world.prepare_images("child");
        let child = world.source.head();
        world.source.check_out(&parent);
        world.prepare_images("one");
        world.published("refs/heads/main", "latest").await;
        world.source.check_out(&child);
        world.prepare_images("child");
        let newer = world.published("refs/heads/main", "latest").await;
        world.source.check_out(&parent);
        world.prepare_images("one");
        world.publish("refs/heads/main").run().await.expect(5, &["a newer build is published as latest"]);
        assert_eq!(world.shown("latest").await, [Some(newer.clone()), Some(newer)]);
    }
}
