//! The layer cache: what podman is told of it, and that nothing about it fails a build.

use std::{path::Path, process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{Ended, PASSWORD, Program, Registry, USER, World};

/// How long a build may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// A publish with a cache on this host.
fn with_cache(world: &World, host: &str) -> Program {
    world.publish("refs/heads/main").env("TALLYMAN_CACHE", format!("{host}/acme/cache"))
}

/// The builds that podman was asked for so far, for one architecture.
fn builds(world: &World, architecture: &str) -> Vec<String> {
    let platform = format!("--platform linux/{architecture} ");
    let calls = world.podman.calls();
    calls.lines().filter(|call| call.starts_with("build ") && call.contains(&platform)).map(Into::into).collect()
}

#[tokio::test]
async fn each_platform_reads_and_writes_a_repository_of_its_own() {
    let world = World::new().await;
    let host = &world.ghcr.host;
    with_cache(&world, host).run().await.expect(0, &[]);
    for architecture in ["amd64", "arm64"] {
        let [build] = &builds(&world, architecture)[..] else { panic!("not one build") };
        let repository = format!("{host}/acme/cache-{architecture}");
        let expected = format!(" --cache-from {repository} --cache-to {repository} --tls-verify=false ");
        assert!(build.contains(&expected), "{build}");
    }
}

#[tokio::test]
async fn without_a_word_said_there_is_none() {
    let world = World::new().await;
    world.publish("refs/heads/main").run().await.expect(0, &[]);
    assert!(!world.podman.calls().contains("--cache") && !world.podman.calls().contains("--tls-verify"));
}

#[tokio::test]
async fn a_build_that_publishes_nothing_reads_it_and_leaves_nothing() {
    let world = World::new().await;
    with_cache(&world, &world.ghcr.host).args(&["--skip-push"]).run().await.expect(0, &[]);
    let [build] = &builds(&world, "amd64")[..] else { panic!("not one build") };
    assert!(build.contains("--cache-from ") && !build.contains("--cache-to"), "{build}");
    assert!(!world.ghcr.log().contains("HTTP/1.1\""), "the registry was asked:\n{}", world.ghcr.log());
}

#[tokio::test]
async fn one_that_cannot_be_written_is_a_warning_and_the_build_goes_on_without_writing() {
    let world = World::new().await;
    world.podman.write("arm64.cache-fails", "");
    let run = with_cache(&world, &world.ghcr.host).env("TALLYMAN_CLEANUP", "off");
    let ended = run.args(&["--output", "json"]).run().await;
    ended.expect(0, &["warning: the layer cache", "cache-arm64 could not be written", "writing blob: 503"]);
    let [first, second] = &builds(&world, "arm64")[..] else { panic!("not two builds") };
    assert!(first.contains("--cache-to ") && !second.contains("--cache-to"), "{first}\n{second}");
    assert!(second.contains("--cache-from "), "{second}");
    assert_eq!(builds(&world, "amd64").len(), 1);
    assert_eq!(world.ghcr.tags().await, ["latest"]);

    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["warnings"].as_array().unwrap().len(), 1);
    // The second run found the first one's step in podman's store: that is no cache.
    let build = |platform: &str| json!({ "platform": platform, "steps": 1, "steps_reused": 0 });
    assert_eq!(result["builds"], json!([build("linux/amd64"), build("linux/arm64")]));
}

#[tokio::test]
async fn a_build_that_fails_is_never_taken_for_a_failed_cache() {
    let world = World::new().await;
    world.podman.write("arm64.fails", "");
    with_cache(&world, &world.ghcr.host).run().await.expect(3, &["exit status 7", "nothing was published"]);
    assert_eq!(builds(&world, "arm64").len(), 1, "it was built again");

    world.podman.write("arm64.cache-fails", "");
    let ended = with_cache(&world, &world.ghcr.host).run().await;
    ended.expect(3, &["could not be written", "exit status 7", "nothing was published"]);
    assert_eq!(builds(&world, "arm64").len(), 3);
    assert!(world.ghcr.tags().await.is_empty());
}

#[tokio::test]
async fn one_that_is_not_there_is_a_warning() {
    let world = World::new().await;
    let ended = with_cache(&world, "127.0.0.1:1").run().await;
    ended.expect(0, &["warning: the layer cache 127.0.0.1:1/acme/cache-amd64 is not used", "hint: "]);
    assert!(!world.podman.calls().contains("--cache"));
}

#[tokio::test]
async fn one_that_refuses_the_login_is_a_warning() {
    let (world, locked) = tokio::join!(World::new(), Registry::start_with_login());
    let ended = with_cache(&world, &locked.host).run().await;
    ended.expect(0, &["cache-arm64 is not used", "401 Unauthorized"]);
    assert!(!world.podman.calls().contains("--cache"));
}

/// A publish whose cache wants a login, and whose temporary files lie in `temporary`.
fn with_login(world: &World, locked: &Registry, temporary: &Path) -> Program {
    world.podman.write("config.json", r#"{"auths":{"bases.example":{"auth":"YW5uOnB3"}}}"#);
    let config = format!(
        "cache = '{host}/acme/cache'\n[[registry]]\nname = 'quay'\nrepository = '{host}/acme/hello'\n\
         username-env = 'QUAY_USER'\npassword-env = 'QUAY_TOKEN'\n",
        host = locked.host
    );
    world.source.write("publish.toml", &config);
    Program::new(world.source.path())
        .args(&["publish", "--ref", "refs/heads/main", "--image", "acme/hello", "--allow-dirty"])
        .env("TALLYMAN_PODMAN", world.podman.program())
        .env("TMPDIR", temporary)
        .env("REGISTRY_AUTH_FILE", world.podman.path("config.json"))
        .env("QUAY_USER", USER)
        .env("QUAY_TOKEN", PASSWORD)
}

#[tokio::test]
async fn podman_is_lent_the_credential_in_a_file_for_that_build_alone() {
    let (world, locked) = tokio::join!(World::new(), Registry::start_with_login());
    let temporary = tempfile::tempdir().unwrap();
    with_login(&world, &locked, temporary.path()).run().await.expect(0, &[]);
    for architecture in ["amd64", "arm64"] {
        let seen = std::fs::read(world.podman.path(&format!("{architecture}.auth"))).unwrap();
        let seen: Value = serde_json::from_slice(&seen).unwrap();
        let repository = format!("{}/acme/cache-{architecture}", locked.host);
        let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let auths = json!({ "bases.example": { "auth": "YW5uOnB3" }, repository: { "auth": auth } });
        let expected = json!({ "auths": auths, "credHelpers": {} });
        assert_eq!(seen, expected);
        let file = std::fs::read_to_string(world.podman.path(&format!("{architecture}.auth-file"))).unwrap();
        let (mode, path) = file.trim().split_once(' ').unwrap();
        assert!(mode == "600" && Path::new(path).starts_with(temporary.path()), "{file}");
    }
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0, "something is left over");
    assert!(!world.podman.calls().contains(PASSWORD));
}

#[tokio::test]
async fn a_cancelled_build_takes_the_lent_credential_with_it() {
    let (world, locked) = tokio::join!(World::new(), Registry::start_with_login());
    let temporary = tempfile::tempdir().unwrap();
    let fifo = world.podman.path("arm64.wait");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = with_login(&world, &locked, temporary.path()).start();
    // Opening a pipe for writing waits until the build has opened it for reading.
    let open = async { tokio::fs::OpenOptions::new().write(true).open(fifo).await };
    let _building = tokio::time::timeout(START_MAX, open).await.expect("the build does not start").unwrap();
    let lent = std::fs::read_to_string(world.podman.path("arm64.auth-file")).unwrap();
    let lent = Path::new(lent.trim().split_once(' ').unwrap().1);
    assert!(lent.exists());
    let process = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &process]).status().unwrap().success());
    Ended::of(child).await.expect(5, &["cancelled"]);
    assert!(!lent.exists());
}

/// The outputs of a run, `name=value` each.
async fn outputs(world: &World, run: Program) -> String {
    let file = world.podman.path("output");
    let _ = std::fs::remove_file(&file);
    run.env("GITHUB_OUTPUT", &file).run().await.expect(0, &[]);
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn outputs_say_whether_it_was_of_use() {
    let world = World::new().await;
    let skipping = world.publish("refs/heads/main").args(&["--skip-push"]);
    let none = outputs(&world, skipping.clone()).await;
    assert!(none.contains("cache-hit=false\n") && none.contains("layers-reused=false\n"), "{none}");

    world.podman.write("amd64.cached", "");
    let one_of_two = outputs(&world, skipping.clone()).await;
    assert!(one_of_two.contains("cache-hit=false\n"), "{one_of_two}");

    world.podman.write("arm64.cached", "");
    let both = outputs(&world, skipping).await;
    assert!(both.contains("cache-hit=true\n") && both.contains("layers-reused=false\n"), "{both}");
}

#[tokio::test]
async fn the_merge_says_what_the_builds_found() {
    let world = World::new().await;
    world.podman.write("amd64.cached", "");
    for platform in ["linux/amd64", "linux/arm64"] {
        let build = world.program(&["build", "--ref", "refs/heads/main", "--platform", platform]).run().await;
        let (reused, hit) = if platform == "linux/amd64" { (1, "1 of 1") } else { (0, "0 of 1") };
        build.expect(0, &[&format!("{platform} cache: {hit} steps reused")]);
        assert!(build.stdout.contains(&format!("{reused} of 1 steps reused")), "{}", build.stdout);
    }
    let merge = world.program(&["merge", "--ref", "refs/heads/main", "--output", "json"]).run().await;
    merge.expect(0, &[]);
    let result: Value = serde_json::from_str(&merge.stdout).unwrap();
    let reused: Vec<_> = result["builds"].as_array().unwrap().iter().map(|build| &build["steps_reused"]).collect();
    assert_eq!(reused, [1, 0]);
}
