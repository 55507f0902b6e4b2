//! What fails leaves every tag as it was, and says so.

use rstest::rstest;

use crate::support::{Fault, PASSWORD, Program, Registry, StandIns, USER, World};

#[tokio::test]
async fn one_architecture_that_fails_to_build_keeps_everything_from_being_published() {
    let world = World::new().await;
    let before = world.published("refs/heads/main", "latest").await;
    world.podman.write("arm64.fails", "");
    world.publish("refs/heads/main").run().await.expect(3, &["linux/arm64", "exit status 7", "nothing was published"]);
    world.publish("refs/tags/v1.0.0").run().await.expect(3, &["linux/arm64"]);
    assert_eq!(world.shown("latest").await, [Some(before.clone()), Some(before)]);
    assert_eq!((world.ghcr.tags().await.len(), world.dockerhub.tags().await.len()), (1, 1));
}

#[tokio::test]
async fn latest_is_put_back_where_it_moved_if_it_cannot_move_everywhere() {
    let mut world = World::new().await;
    let before = world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("PUT", "/manifests/latest", Fault::Status(503));
    let ended = world.publish("refs/heads/main").run().await;
    ended.expect(4, &["after 3 attempts", "503 Service Unavailable", "latest is as before on ghcr", "on dockerhub"]);
    // It had moved: first there, then back.
    assert_eq!(world.ghcr.manifest_puts().iter().filter(|name| *name == "latest").count(), 3);
    assert_eq!(world.shown("latest").await, [Some(before.clone()), Some(before)]);
}

#[tokio::test]
async fn a_new_version_that_cannot_be_tagged_everywhere_is_removed_again() {
    let mut world = World::new().await;
    let latest = world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("PUT", "/manifests/1.0.0", Fault::Status(503));
    let ended = world.publish("refs/tags/v1.0.0").run().await;
    ended.expect(4, &["1.0.0 was removed again on ghcr", "1.0.0 is as before on dockerhub"]);
    assert_eq!(world.shown("1.0.0").await, [None, None]);
    assert_eq!(world.shown("latest").await, [Some(latest.clone()), Some(latest)]);
}

#[tokio::test]
async fn a_version_of_the_very_image_that_is_latest_is_removed_again_and_latest_stays() {
    let world = World::new().await;
    let latest = world.published("refs/heads/main", "latest").await;
    world.proxy.inject("PUT", "/manifests/1.0.0", Fault::Status(503));
    let ended = world.publish("refs/tags/v1.0.0").run().await;
    ended.expect(4, &["1.0.0 was removed again on ghcr"]);
    assert_eq!(world.shown("1.0.0").await, [None, None]);
    assert_eq!(world.shown("latest").await, [Some(latest.clone()), Some(latest)]);
}

/// GHCR deletes no tag and, by its registry, nothing at all: it comes last, and Docker Hub's interface undoes the rest.
#[rstest]
#[case::ghcr(0)]
#[case::dockerhub(1)]
#[case::plain(2)]
#[tokio::test]
async fn a_version_that_one_registry_refuses_is_tagged_on_none(
    #[case] refuses: usize,
    #[values(false, true)] shared: bool,
) {
    let (stand_ins, mut world) = tokio::join!(StandIns::start(), World::new());
    stand_ins.before(world.publish("refs/heads/main")).run().await.expect(0, &[]);
    if !shared {
        world.change("two");
    }
    stand_ins.sides[refuses].refuse_tag("1.0.0");
    let ended = stand_ins.before(world.publish("refs/tags/v1.0.0")).run().await;
    ended.expect(4, &["after 3 attempts"]);
    for side in &stand_ins.sides {
        let tags: Vec<_> = side.tags().into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags, ["latest"], "on {}: {}", side.name, ended.stderr);
        let latest = side.tags().remove(0).1;
        assert!(side.children(&latest).iter().all(|image| side.manifests().contains(image)));
    }
    stand_ins.expect_no_trouble();
}

#[rstest]
#[case(403, "hint: the account lacks permission to push here")]
#[case(404, "hint: the repository does not exist, or this account may not see it")]
#[case(400, "")]
#[tokio::test]
async fn who_may_not_push_learns_it_before_anything_is_built(
    #[case] status: u16,
    #[case] hint: &str,
    #[values("publish", "build")] command: &str,
) {
    let world = World::new().await;
    world.proxy.inject("POST", "/blobs/uploads/", Fault::Status(status));
    let platform = if command == "build" { "--platform" } else { "--platforms" };
    let run = world.program(&[command, "--ref", "refs/heads/main", platform, "linux/amd64"]);
    let ended = run.run().await;
    ended.expect(4, &["open an upload on dockerhub", "at the first attempt", hint, "nothing was published"]);
    assert!(!world.podman.calls().contains("build"), "it was built all the same");
}

#[rstest]
#[case::taken(None)]
#[case::refused(Some(Fault::Status(405)))]
#[tokio::test]
async fn the_upload_that_proves_the_right_to_push_is_cancelled_where_that_is_possible(#[case] refused: Option<Fault>) {
    let world = World::new().await;
    let cancelled = refused.is_none();
    if let Some(refusal) = refused {
        world.proxy.inject("DELETE", "/blobs/uploads/", refusal);
    }
    world.published("refs/heads/main", "latest").await;
    assert_eq!(world.ghcr.requests("DELETE").len(), 1);
    let uploads = world.dockerhub.storage().join("docker/registry/v2/repositories/acme/hello/_uploads");
    let mut uploads = uploads.read_dir().unwrap().map(|upload| upload.unwrap().path());
    assert_eq!(uploads.any(|upload| upload.join("data").exists()), !cancelled);
}

#[tokio::test]
async fn a_wrong_password_ends_it_before_anything_is_built() {
    let world = World::new().await;
    let registry = Registry::start_with_login().await;
    let names = "[[registry]]\nname = \"quay\"\nusername-env = \"QUAY_USER\"\npassword-env = \"QUAY_TOKEN\"\n";
    let config = format!("{names}repository = \"{}/acme/hello\"\n", registry.host);
    world.source.write("publish.toml", &config);
    let run = Program::new(world.source.path())
        .args(&["publish", "--ref", "refs/heads/main", "--image", "acme/hello", "--allow-dirty"])
        .env("TALLYMAN_PODMAN", world.podman.program())
        .env("QUAY_USER", USER);
    let ended = run.clone().env("QUAY_TOKEN", "wrong").run().await;
    ended.expect(4, &["at the first attempt", "quay", "hint: "]);
    assert!(!world.podman.calls().contains("build"), "it was built all the same");
    run.env("QUAY_TOKEN", PASSWORD).run().await.expect(0, &[]);
    assert_eq!(registry.tags().await, ["latest"]);
}

#[tokio::test]
async fn a_host_that_is_not_there_ends_it_before_anything_is_built() {
    let world = World::new().await;
    let registries = format!("ghcr={}/acme/hello,dockerhub=127.0.0.1:1/acme/hello", world.ghcr.host);
    let ended = world.publish("refs/heads/main").env("TALLYMAN_REGISTRIES", registries).run().await;
    ended.expect(4, &["127.0.0.1:1", "no connection", "hint: ", "nothing was published"]);
    assert!(!world.podman.calls().contains("build"));
    assert!(world.ghcr.tags().await.is_empty());
}

#[tokio::test]
async fn no_podman_or_an_old_one_is_told_with_a_hint() {
    let world = World::new().await;
    let missing = world.publish("refs/heads/main").env("TALLYMAN_PODMAN", "/nonexistent/podman");
    missing.run().await.expect(1, &["/nonexistent/podman", "hint: "]);
    world.podman.write("version", r#"{"Client":{"Version":"4.2.9"}}"#);
    world.publish("refs/heads/main").run().await.expect(1, &["podman 4.2.9 is too old", "hint: "]);
    assert!(world.ghcr.tags().await.is_empty());
}

#[tokio::test]
async fn a_containerfile_that_is_missing_or_unreadable_is_told() {
    let world = World::new().await;
    std::fs::remove_file(world.source.path().join("Containerfile")).unwrap();
    world.publish("refs/heads/main").run().await.expect(1, &["Containerfile", "Dockerfile"]);
    std::fs::create_dir(world.source.path().join("Containerfile")).unwrap();
    world.publish("refs/heads/main").run().await.expect(1, &["Containerfile"]);
    std::fs::remove_dir(world.source.path().join("Containerfile")).unwrap();
    world.source.write("Containerfile", "FROM scratch\n");
    let nobody = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(world.source.path().join("Containerfile"), nobody).unwrap();
    world.publish("refs/heads/main").run().await.expect(1, &["Containerfile", "Permission denied"]);
    assert!(!world.podman.calls().contains("build"));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let world = World::new().await;
    let mut random = fastrand::Rng::with_seed(1);
    let layer: Vec<u8> = (0..4_000_000).map(|_| random.u8(..)).collect();
    for architecture in ["amd64", "arm64"] {
        world.podman.prepare(&crate::support::FakeImage {
            architecture,
            layers: std::slice::from_ref(&layer),
            revision: &world.source.head(),
            committed: world.source.last_commit_time(),
        });
    }
    // A disk of one megabyte, in a mount namespace of the run's own; then back to an ordinary user.
    let tiny = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$TMPDIR\" && exec unshare --user --map-user=1000 \"$0\" \"$@\"";
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount];
    let ended = world.publish("refs/heads/main").env("TMPDIR", tiny.path()).wrapped(&wrapper).run().await;
    ended.expect(1, &["no space left", "hint: ", "nothing was published"]);
    assert!(world.ghcr.tags().await.is_empty());
    let bytes_sent = world.ghcr.storage().join("docker/registry/v2/blobs");
    assert!(!bytes_sent.exists(), "something was stored");
}
