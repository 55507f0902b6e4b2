//! On a machine of one's own: what is built must be the commit that the image will name.

use rstest::rstest;

use crate::support::{Program, World};

fn publish(world: &World, arguments: &[&str]) -> Program {
    world.program(&["publish", "--ref", "refs/heads/main"]).args(arguments)
}

/// Refused before podman is asked for anything but its version, and before any registry is.
async fn refused(world: &World, run: Program, said: &[&str]) {
    let ended = run.run().await;
    ended.expect(1, said);
    ended.expect(1, &["nothing was built, nothing was published", "--allow-dirty"]);
    assert!(!world.podman.calls().contains("build"), "{}", world.podman.calls());
    assert!(world.ghcr.manifest_puts().is_empty());
}

#[rstest]
#[case::changed("Containerfile", "the working tree is not what commit", "Containerfile")]
#[case::new("new file.txt", "the working tree is not what commit", "new file.txt")]
#[tokio::test]
async fn uncommitted_changes_are_refused(#[case] file: &str, #[case] message: &str, #[case] name: &str) {
    let world = World::new().await;
    world.source.write(file, "FROM scratch\n# changed\n");
    refused(&world, publish(&world, &[]), &[message, name]).await;
    refused(&world, world.program(&["build", "--platform", "linux/amd64", "--ref", "refs/heads/main"]), &[message])
        .await;
    publish(&world, &["--allow-dirty"]).run().await.expect(0, &[]);
}

#[tokio::test]
async fn on_github_and_without_a_push_nothing_is_refused() {
    let world = World::new().await;
    world.source.write("new", "");
    publish(&world, &["--skip-push"]).run().await.expect(0, &[]);
    publish(&world, &[]).env("GITHUB_ACTIONS", "true").run().await.expect(0, &[]);
}

#[tokio::test]
async fn another_commit_than_the_one_that_is_checked_out_is_refused() {
    let mut world = World::new().await;
    let old = world.source.head();
    world.source.git(&["tag", "v1.0.0"]);
    let new = world.change("two");
    let release = ["publish", "--ref", "refs/tags/v1.0.0"];
    refused(&world, world.program(&release), &["refs/tags/v1.0.0 is", &old, &new]).await;
    refused(&world, publish(&world, &["--sha", &old]), &["the commit to publish is", &old, &new]).await;
    publish(&world, &[]).run().await.expect(0, &[]);
    world.source.check_out("v1.0.0");
    world.prepare_images("one");
    world.program(&release).run().await.expect(0, &[]);
}

/// The second platform's build finds the first one's digest files.
#[tokio::test]
async fn the_hand_over_is_no_change() {
    let world = World::new().await;
    for platform in ["linux/amd64", "linux/arm64"] {
        let build = ["build", "--platform", platform, "--ref", "refs/heads/main", "--digests", "out/digests"];
        world.program(&build).run().await.expect(0, &[]);
    }
}
