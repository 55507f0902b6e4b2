//! The good course: which tags appear, which stay, and what is sent.

use serde_json::Value;

use crate::support::World;

#[tokio::test]
async fn main_becomes_latest_and_a_version_tag_its_version_and_nothing_else_moves() {
    let mut world = World::new().await;
    let first = world.published("refs/heads/main", "latest").await;
    assert_eq!((world.ghcr.tags().await, world.dockerhub.tags().await), (vec!["latest".into()], vec!["latest".into()]));

    world.change("two");
    let release = world.published("refs/tags/v1.0.0", "1.0.0").await;
    assert_ne!(release, first);
    assert_eq!(world.shown("latest").await, [Some(first.clone()), Some(first)], "a release moved latest");

    world.change("three");
    let latest = world.published("refs/heads/main", "latest").await;
    assert_ne!(latest, release);
    assert_eq!(world.shown("1.0.0").await, [Some(release.clone()), Some(release)], "main moved a version");
    assert_eq!(world.ghcr.tags().await, ["1.0.0", "latest"]);
    assert_eq!(world.dockerhub.tags().await, ["1.0.0", "latest"]);
}

#[tokio::test]
async fn everything_is_whole_and_in_dockers_format() {
    let world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    for registry in [&world.ghcr, &world.dockerhub] {
        let list: Value = serde_json::from_slice(&registry.manifest("latest").await.unwrap()).unwrap();
        assert_eq!(list["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
        let platforms: Vec<_> =
            list["manifests"].as_array().unwrap().iter().map(|it| &it["platform"]["architecture"]).collect();
        assert_eq!(platforms, ["amd64", "arm64"]);
        for entry in list["manifests"].as_array().unwrap() {
            let bytes = registry.manifest(entry["digest"].as_str().unwrap()).await.expect("a child is missing");
            assert_eq!(entry["size"], bytes.len());
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
            let config = registry.blob(manifest["config"]["digest"].as_str().unwrap()).await.expect("no configuration");
            let config: Value = serde_json::from_slice(&config).unwrap();
            assert_eq!(config["architecture"], entry["platform"]["architecture"]);
            assert!(config["config"]["Healthcheck"].is_object());
            for layer in manifest["layers"].as_array().unwrap() {
                let bytes = registry.blob(layer["digest"].as_str().unwrap()).await.expect("a layer is missing");
                assert_eq!(layer["size"], bytes.len());
            }
        }
    }
}

#[tokio::test]
async fn no_tag_moves_before_the_last_put_by_digest() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.published("refs/tags/v1.0.0", "1.0.0").await;
    for registry in [&world.ghcr, &world.dockerhub] {
        let puts = registry.manifest_puts();
        let tags: Vec<_> = puts.iter().enumerate().filter(|(_, name)| !name.starts_with("sha256:")).collect();
        // Each publish: two images and a list by digest, then one tag.
        assert_eq!(tags.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["latest", "1.0.0"], "{puts:?}");
        assert_eq!(tags.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [3, 7], "{puts:?}");
    }
}

#[tokio::test]
async fn an_unchanged_source_sends_nothing_again() {
    let world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    let before = [world.ghcr.requests("PATCH").len(), world.ghcr.requests("PUT").len()];
    let opened = world.ghcr.requests("POST").len();
    let ended = world.publish("refs/heads/main").args(&["--output", "json"]).run().await;
    ended.expect(0, &[]);
    assert_eq!([world.ghcr.requests("PATCH").len(), world.ghcr.requests("PUT").len()], before);
    assert_eq!(world.ghcr.requests("POST").len() - opened, 1, "only whether it may push is asked");
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["registries"][0]["bytes_sent"], 0);
    assert_eq!(result["platforms"][0]["layers_known"], 2);
    let exports = world.podman.calls().lines().filter(|call| call.starts_with("save")).count();
    assert_eq!(exports, 2, "podman was asked for layers that are known everywhere");
}

#[tokio::test]
async fn of_a_changed_source_only_the_changed_layer_is_sent() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    let before = world.ghcr.requests("PATCH").len();
    world.change("two");
    world.published("refs/heads/main", "latest").await;
    // For each platform one layer and the configuration.
    assert_eq!(world.ghcr.requests("PATCH").len() - before, 4);
}

#[tokio::test]
async fn skip_push_builds_and_touches_no_registry() {
    let world = World::new().await;
    world.publish("refs/heads/main").args(&["--skip-push"]).run().await.expect(0, &[]);
    assert!(world.podman.calls().contains("build"));
    assert!(world.ghcr.requests("PUT").is_empty() && world.ghcr.requests("HEAD").is_empty());
}
