//! The layer cache on the real registry: old steps of no use go after a build of the main branch, and never else.

use serde_json::{Value, json};

use crate::support::{Fault, Program, World, http, sha256};

/// Steps by their keys: one that the build at hand uses, one that it does not, and one that is young.
const USED: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const UNUSED: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const YOUNG: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
/// When the old ones were made; the young one is made in a future that never comes.
const OLD: &str = "2020-01-01T00:00:00Z";
const FUTURE: &str = "2999-01-01T00:00:00Z";

/// A world whose cache, on the registry behind the proxy, holds these steps for each platform.
async fn world() -> World {
    let world = World::new().await;
    for architecture in ["amd64", "arm64"] {
        for (key, created) in [(USED, OLD), (UNUSED, OLD), (YOUNG, FUTURE)] {
            leave_step(&world, &format!("acme/cache-{architecture}"), key, created).await;
        }
        world.podman.write(&format!("{architecture}.keys"), format!("{USED}\n"));
    }
    world
}

async fn leave_step(world: &World, repository: &str, key: &str, created: &str) {
    let base = format!("http://{}/v2/{repository}", world.dockerhub.host);
    let config = json!({ "created": created, "history": [{ "created_by": key }] }).to_string();
    let digest = sha256(config.as_bytes());
    let opened = http().post(format!("{base}/blobs/uploads/")).send().await.unwrap();
    let location = opened.headers()["location"].to_str().unwrap().to_owned();
    let put = http().put(format!("{location}&digest={digest}")).body(config.clone()).send().await.unwrap();
    assert!(put.status().is_success(), "{put:?}");
    let media_type = "application/vnd.docker.distribution.manifest.v2+json";
    let config_type = "application/vnd.docker.container.image.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "layers": [],
        "config": { "mediaType": config_type, "digest": digest, "size": config.len() },
    });
    let address = format!("{base}/manifests/{key}");
    let put = http().put(address).header("content-type", media_type).body(manifest.to_string()).send().await.unwrap();
    assert!(put.status().is_success(), "{put:?}");
}

/// The first letters of the keys that are left for a platform.
async fn left(world: &World, architecture: &str) -> String {
    let address = format!("http://{}/v2/acme/cache-{architecture}/tags/list", world.dockerhub.host);
    let answer: Value = http().get(address).send().await.unwrap().json().await.unwrap();
    let tags = answer["tags"].as_array().unwrap().iter();
    let mut letters: Vec<_> = tags.filter_map(|tag| tag.as_str()?.chars().next()).collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

fn with_cache(world: &World, program: Program) -> Program {
    program.env("TALLYMAN_CACHE", format!("{}/acme/cache", world.proxy.host))
}

#[tokio::test]
async fn a_build_of_main_removes_what_is_old_and_of_no_use_to_it() {
    let world = world().await;
    let run = with_cache(&world, world.publish("refs/heads/main")).args(&["--output", "json"]).run().await;
    run.expect(0, &[]);
    for architecture in ["amd64", "arm64"] {
        assert_eq!(left(&world, architecture).await, "ac", "{}", run.stderr);
    }
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(result["cleanup"][0]["registry"], "cache-amd64");
    assert_eq!(result["cleanup"][0]["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn builds_on_other_machines_hand_over_which_steps_they_used() {
    let world = world().await;
    for platform in ["linux/amd64", "linux/arm64"] {
        let build = world.program(&["build", "--ref", "refs/heads/main", "--platform", platform]);
        with_cache(&world, build).run().await.expect(0, &[]);
    }
    let merge = world.program(&["merge", "--ref", "refs/heads/main"]);
    with_cache(&world, merge).run().await.expect(0, &[]);
    assert_eq!((left(&world, "amd64").await, left(&world, "arm64").await), ("ac".into(), "ac".into()));
}

#[tokio::test]
async fn nothing_goes_with_releases_with_builds_by_hand_or_when_it_is_off() {
    let world = world().await;
    let runs = [
        world.publish("refs/tags/v1.0.0"),
        world.program(&["publish", "--event-name", "workflow_dispatch", "--tag-name", "try"]),
        world.publish("refs/heads/main").env("TALLYMAN_CACHE_MAX_AGE", "off"),
        world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "off"),
    ];
    for run in runs {
        with_cache(&world, run).run().await.expect(0, &[]);
    }
    assert_eq!(left(&world, "amd64").await, "abc");
}

/// podman then builds once more without writing, and names the keys of some steps only.
#[tokio::test]
async fn a_build_that_cannot_say_which_steps_it_used_prunes_nothing() {
    let world = world().await;
    world.podman.write("amd64.cache-fails", "");
    with_cache(&world, world.publish("refs/heads/main")).run().await.expect(0, &["could not be written"]);
    assert_eq!((left(&world, "amd64").await, left(&world, "arm64").await), ("abc".into(), "ac".into()));
}

#[tokio::test]
async fn that_it_may_not_is_a_warning_for_a_publish_and_an_error_for_a_clean_up() {
    let world = world().await;
    world.proxy.inject("DELETE", "/acme/cache-", Fault::Status(403));
    let ended = with_cache(&world, world.publish("refs/heads/main")).run().await;
    ended.expect(0, &["warning: the layer cache", "acme/cache-arm64 may not be pruned", "scope `delete`"]);
    assert_eq!(left(&world, "arm64").await, "abc");
    let ended = with_cache(&world, world.program(&["clean"])).args(&["--output", "json"]).run().await;
    ended.expect(1, &["clean-up is not allowed on cache-amd64, cache-arm64"]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&result["status"], &result["caches"][1]["problem"]["denied"]), (&"failed".into(), &true.into()));
}

#[tokio::test]
async fn a_clean_up_by_hand_goes_by_age_alone_and_says_before_what_it_would_do() {
    let world = world().await;
    world.publish("refs/heads/main").run().await.expect(0, &[]);
    let clean = with_cache(&world, world.program(&["clean"]));
    let dry = clean.clone().args(&["--dry-run"]).run().await;
    dry.expect(0, &[]);
    let line = "step aaaaaaaaaaaa of 2020-01-01, no build used it since";
    assert!(dry.stdout.contains("cache-amd64  ") && dry.stdout.contains(line), "{}", dry.stdout);
    assert_eq!(left(&world, "amd64").await, "abc");
    clean.clone().args(&["--cache-max-age", "off"]).run().await.expect(0, &[]);
    assert_eq!(left(&world, "amd64").await, "abc");
    clean.run().await.expect(0, &[]);
    assert_eq!((left(&world, "amd64").await, left(&world, "arm64").await), ("c".into(), "c".into()));
}
