//! Runs that are told to stop, or killed, at the worst moments.

use std::{process::Command, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Child};

use crate::support::{Ended, Fault, World};

/// How long a signal may take to have its effect.
const EFFECT_MAX: Duration = Duration::from_secs(20);

fn signal(child: &Child, signal: &str) {
    let process = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
}

/// Starts a publish whose arm64 build waits for a line; returned with it is where to write the line.
async fn start_held(world: &World) -> (Child, tokio::fs::File) {
    let fifo = world.podman.path("arm64.wait");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = world.publish("refs/heads/main").start();
    // Opening a pipe for writing waits until the build has opened it for reading.
    let open = async { tokio::fs::OpenOptions::new().write(true).open(fifo).await };
    let pipe = tokio::time::timeout(EFFECT_MAX, open).await.expect("the build does not start");
    (child, pipe.unwrap())
}

#[tokio::test]
async fn a_run_that_is_cancelled_during_the_build_publishes_nothing() {
    for name in ["TERM", "INT"] {
        let world = World::new().await;
        let (child, mut building) = start_held(&world).await;
        signal(&child, name);
        tokio::time::timeout(EFFECT_MAX, Ended::of(child))
            .await
            .unwrap()
            .expect(5, &["cancelled", "nothing was published"]);
        assert!(world.ghcr.tags().await.is_empty() && world.dockerhub.tags().await.is_empty());
        // Nobody reads from the pipe any more: the build is gone.
        let gone = async { while building.write_all(b"x").await.and(building.flush().await).is_ok() {} };
        tokio::time::timeout(EFFECT_MAX, gone).await.expect("the build goes on");
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_podman_exports_does_not_wait_for_it() {
    let world = World::new().await;
    let fifo = world.podman.path("save.wait");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = world.publish("refs/heads/main").args(&["--platforms", "linux/amd64"]).start();
    let open = async { tokio::fs::OpenOptions::new().write(true).open(fifo).await };
    let mut saving = tokio::time::timeout(EFFECT_MAX, open).await.expect("nothing is exported").unwrap();
    signal(&child, "INT");
    let ended = tokio::time::timeout(EFFECT_MAX, Ended::of(child)).await.expect("the run waits for podman");
    ended.expect(5, &["cancelled", "nothing was published"]);
    let gone = async { while saving.write_all(b"x").await.and(saving.flush().await).is_ok() {} };
    tokio::time::timeout(EFFECT_MAX, gone).await.expect("podman goes on");
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_the_tag_moves_finishes() {
    let world = World::new().await;
    world.proxy.inject("PUT", "/manifests/latest", Fault::Hold);
    let child = world.publish("refs/heads/main").start();
    world.proxy.hit().await;
    signal(&child, "TERM");
    signal(&child, "INT");
    world.proxy.heal();
    Ended::of(child).await.expect(0, &[]);
    let [ghcr, dockerhub] = world.shown("latest").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}

/// GitHub kills a job ten seconds after it told it to stop.
const STOPPED_MAX: Duration = Duration::from_secs(7);

#[tokio::test]
async fn a_run_that_is_cancelled_while_a_tag_cannot_be_moved_puts_the_others_back_in_time() {
    for reference in ["refs/heads/main", "refs/tags/v1.0.0"] {
        let mut world = World::new().await;
        let before = world.published("refs/heads/main", "latest").await;
        world.change("two");
        let tag = reference.rsplit(['/', 'v']).next().unwrap().replace("main", "latest");
        let path = format!("/manifests/{tag}");
        world.proxy.inject("PUT", &path, Fault::Hold);
        let child = world.publish(reference).start();
        world.proxy.hit().await;
        assert_ne!(world.ghcr.digest(&tag).await, (tag == "latest").then(|| before.clone()), "it has not moved yet");
        signal(&child, "INT");
        let told = std::time::Instant::now();
        Ended::of(child).await.expect(5, &["the run was cancelled", "as before on dockerhub"]);
        assert!(told.elapsed() < STOPPED_MAX, "it took {:?}", told.elapsed());
        assert_eq!(world.shown("latest").await, [Some(before.clone()), Some(before)]);
        assert_eq!(world.shown("1.0.0").await, [None, None]);
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_after_the_move_leaves_the_rest_to_the_next() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("DELETE", "/manifests/", Fault::Hold);
    let child = world.publish("refs/heads/main").start();
    world.proxy.hit().await;
    signal(&child, "INT");
    let told = std::time::Instant::now();
    Ended::of(child).await.expect(0, &["told to stop: latest was moved on all registries"]);
    assert!(told.elapsed() < STOPPED_MAX, "it took {:?}", told.elapsed());
    let [ghcr, dockerhub] = world.shown("latest").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}

#[tokio::test]
async fn a_rerun_heals_a_release_that_was_killed_between_two_tags() {
    let mut world = World::new().await;
    world.proxy.inject("PUT", "/manifests/1.0.0", Fault::Hold);
    let mut child = world.publish("refs/tags/v1.0.0").start();
    world.proxy.hit().await;
    child.kill().await.unwrap();
    let [ghcr, dockerhub] = world.shown("1.0.0").await;
    assert!(ghcr.is_some() && dockerhub.is_none(), "it was not killed between the two");
    drop(std::mem::replace(&mut world.proxy, crate::support::Proxy::before(&world.dockerhub.host).await));
    world.published("refs/tags/v1.0.0", "1.0.0").await;
}

/// A publish of main cleans up after `latest` while the commit that was `latest` is released: the deletion was sent before
/// the release had its tag, and lands after.
#[tokio::test]
async fn a_release_outlives_the_clean_up_of_its_image() {
    let mut world = World::new().await;
    let released = world.source.head();
    let list = world.published("refs/heads/main", "latest").await;
    let newer = world.change("two");
    world.proxy.inject_times(1, "DELETE", "/manifests/", Fault::Hold);
    let main = world.publish("refs/heads/main").env("GITHUB_SHA", &newer).start();
    world.proxy.hit().await;
    world.source.check_out(&released);
    world.prepare_images("one");
    let release = world.publish("refs/tags/v1.0.0").env("GITHUB_SHA", &released).start();
    let tagged = async { while world.dockerhub.digest("1.0.0").await.is_none() {} };
    tokio::time::timeout(EFFECT_MAX, tagged).await.unwrap();
    world.proxy.heal();
    let (main, release) = tokio::join!(Ended::of(main), Ended::of(release));
    main.expect(0, &[]);
    release.expect(0, &[]);
    assert_eq!(world.shown("1.0.0").await, [Some(list.clone()), Some(list.clone())], "{}", release.stderr);
    for registry in [&world.ghcr, &world.dockerhub] {
        let list: serde_json::Value = serde_json::from_slice(&registry.manifest("1.0.0").await.unwrap()).unwrap();
        for image in list["manifests"].as_array().unwrap() {
            assert!(registry.manifest(image["digest"].as_str().unwrap()).await.is_some());
        }
    }
}

#[tokio::test]
async fn the_next_run_heals_what_a_run_left_that_was_killed_between_two_tags() {
    let mut world = World::new().await;
    let before = world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("PUT", "/manifests/latest", Fault::Hold);
    let mut child = world.publish("refs/heads/main").start();
    world.proxy.hit().await;
    // The other registry's tag moves while this one's request is held.
    let moved = async { while world.ghcr.digest("latest").await.as_ref() == Some(&before) {} };
    tokio::time::timeout(EFFECT_MAX, moved).await.unwrap();
    child.kill().await.unwrap();
    assert_eq!(world.dockerhub.digest("latest").await, Some(before.clone()), "the tag moved before it was let go");
    let proxy = std::mem::replace(&mut world.proxy, crate::support::Proxy::before(&world.dockerhub.host).await);
    drop(proxy);

    let after = world.published("refs/heads/main", "latest").await;
    assert_ne!(after, before);
}

#[tokio::test]
async fn a_build_that_is_held_goes_on_when_let_go() {
    // Shows that the tests above cancel something that would have succeeded.
    let world = World::new().await;
    let (child, mut building) = start_held(&world).await;
    building.write_all(b"go\n").await.unwrap();
    building.flush().await.unwrap();
    Ended::of(child).await.expect(0, &[]);
    assert_eq!(world.ghcr.tags().await, ["latest"]);
}
