//! What a publish leaves of the image that `latest` pointed at before, on the real registry: nothing, unless somebody
//! still holds it.

use std::{collections::BTreeSet, path::Path};

use rstest::rstest;
use serde_json::Value;

use crate::support::{Fault, Registry, World, http};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Every manifest that a registry holds in the repository, tagged or not, as it lies on its disk.
fn held(registry: &Registry) -> BTreeSet<String> {
    let folder = registry.storage().join("docker/registry/v2/repositories/acme/hello/_manifests/revisions/sha256");
    let Ok(entries) = folder.read_dir() else { return BTreeSet::new() };
    let linked = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().join("link").exists());
    linked.map(|entry| format!("sha256:{}", entry.file_name().into_string().unwrap())).collect()
}

/// A list and what it names.
async fn whole(registry: &Registry, name: &str) -> BTreeSet<String> {
    let bytes = registry.manifest(name).await.expect("a tag is gone");
    let list: Value = serde_json::from_slice(&bytes).unwrap();
    let mut parts = BTreeSet::from([registry.digest(name).await.unwrap()]);
    for entry in list["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        assert!(registry.manifest(digest).await.is_some(), "{name} lost {digest}");
        parts.insert(digest.into());
    }
    parts
}

/// The images that a list names.
async fn images(registry: &Registry, name: &str) -> Vec<String> {
    let list: Value = serde_json::from_slice(&registry.manifest(name).await.unwrap()).unwrap();
    list["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

/// Somebody else puts a list of these images under a tag.
async fn tag_list(registry: &Registry, tag: &str, images: &[&str]) {
    let mut entries = Vec::new();
    for digest in images {
        let size = registry.manifest(digest).await.unwrap().len();
        entries.push(serde_json::json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": digest, "size": size,
            "platform": { "os": "linux", "architecture": "amd64" },
        }));
    }
    let list = serde_json::json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": entries });
    put(registry, tag, list.to_string().into_bytes()).await;
}

async fn put(registry: &Registry, tag: &str, manifest: Vec<u8>) {
    let address = format!("http://{}/v2/acme/hello/manifests/{tag}", registry.host);
    let answer = http().put(address).header("content-type", LIST).body(manifest).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn six_builds_and_two_releases_leave_one_latest_and_the_releases_and_nothing_else() {
    let mut world = World::new().await;
    for build in 0..6 {
        world.change(&format!("build {build}"));
        world.published("refs/heads/main", "latest").await;
        if build == 1 {
            // The very image that is `latest`.
            let release = world.published("refs/tags/v1.0.0", "1.0.0").await;
            assert_eq!(world.shown("latest").await[0].as_ref(), Some(&release));
        }
        if build == 3 {
            world.change("only released");
            world.published("refs/tags/v1.1.0", "1.1.0").await;
        }
    }
    for registry in [&world.ghcr, &world.dockerhub] {
        assert_eq!(registry.tags().await, ["1.0.0", "1.1.0", "latest"]);
        let mut expected = BTreeSet::new();
        for tag in ["1.0.0", "1.1.0", "latest"] {
            let parts = whole(registry, tag).await;
            assert_eq!(parts.len(), 3);
            expected.extend(parts);
        }
        assert_eq!(expected.len(), 9);
        assert_eq!(held(registry), expected);
    }
}

#[tokio::test]
async fn an_image_that_somebody_else_has_in_a_list_stays() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    let [amd64, arm64] = &images(&world.ghcr, "latest").await[..] else { panic!("not two images") };
    tag_list(&world.ghcr, "mine", &[amd64]).await;
    world.change("two");
    world.published("refs/heads/main", "latest").await;
    let held = held(&world.ghcr);
    assert!(held.contains(amd64) && !held.contains(arm64) && !held.contains(&old), "{held:?}");
    assert_eq!(whole(&world.ghcr, "mine").await.len(), 2);
    assert_eq!(self::held(&world.dockerhub), whole(&world.dockerhub, "latest").await);
}

#[tokio::test]
async fn a_tag_that_somebody_pushes_while_the_list_is_deleted_keeps_its_image() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    let image = images(&world.dockerhub, "latest").await.remove(1);
    world.change("two");
    world.proxy.inject_times(1, "DELETE", "/manifests/", Fault::Hold);
    let run = world.publish("refs/heads/main").start();
    world.proxy.hit().await;
    tag_list(&world.dockerhub, "mine", &[&image]).await;
    world.proxy.heal();
    crate::support::Ended::of(run).await.expect(0, &[]);
    let held = held(&world.dockerhub);
    assert!(held.contains(&image) && !held.contains(&old), "{held:?}");
    assert_eq!(whole(&world.dockerhub, "mine").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_keeps_everything_and_is_a_warning() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    let image = images(&world.dockerhub, "latest").await.remove(0);
    tag_list(&world.dockerhub, "mine", &[&image]).await;
    let mine = world.dockerhub.digest("mine").await.unwrap();
    world.change("two");
    world.proxy.inject("GET", &format!("/manifests/{mine}"), Fault::Status(500));
    let summary = world.podman.path("summary");
    let run = world.publish("refs/heads/main").env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let ended = run.run().await;
    ended.expect(0, &["::warning::dockerhub: the image that latest pointed at before could not be removed"]);
    ended.expect(0, &["500 Internal Server Error", &format!("publisher clean --digest {old}")]);
    assert!(read(&summary).contains("could not be removed"));
    assert!(held(&world.dockerhub).contains(&old) && world.dockerhub.deletions().is_empty());
    assert!(!held(&world.ghcr).contains(&old), "one registry's trouble stopped the other's clean-up");

    // When that is mended, it is done by hand.
    world.proxy.heal();
    let clean = world.program(&["clean", "--digest", &old]);
    let dry = clean.clone().args(&["--dry-run"]).run().await;
    dry.expect(0, &[]);
    assert!(dry.stdout.contains("remove list") && dry.stdout.contains("mine holds it"), "{}", dry.stdout);
    assert!(held(&world.dockerhub).contains(&old));
    clean.run().await.expect(0, &[]);
    let mut expected = whole(&world.dockerhub, "latest").await;
    expected.extend(whole(&world.dockerhub, "mine").await);
    assert_eq!(held(&world.dockerhub), expected);
}

#[tokio::test]
async fn a_missing_permission_is_a_warning_for_a_publish_and_an_error_for_a_clean_up() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("DELETE", "/manifests/", Fault::Status(403));
    let ended = world.publish("refs/heads/main").run().await;
    let command = format!("publisher clean --digest {old}");
    ended.expect(
        0,
        &["warning: dockerhub: the image that latest pointed at before may not be removed", "scope `delete`"],
    );
    ended.expect(0, &[&command, "403"]);
    assert_eq!(world.proxy.hits(), 1, "what cannot succeed was tried again");

    let summary = world.podman.path("summary");
    let clean = world.program(&["clean", "--digest", &old]).env("GITHUB_STEP_SUMMARY", &summary);
    let ended = clean.args(&["--output", "json"]).run().await;
    ended.expect(1, &["clean-up is not allowed on dockerhub", "scope `delete`", "every tag is as before"]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&result["status"], &result["registries"][1]["problem"]["denied"]), (&"failed".into(), &true.into()));
    assert!(read(&summary).contains("## Clean-up"));
}

#[tokio::test]
async fn releases_and_manual_builds_remove_nothing() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    let before = [held(&world.ghcr), held(&world.dockerhub)];
    world.change("two");
    world.published("refs/tags/v1.0.0", "1.0.0").await;
    for content in ["three", "four"] {
        world.change(content);
        let manual = world.program(&["publish", "--event-name", "workflow_dispatch", "--tag-name", "try"]);
        manual.run().await.expect(0, &[]);
    }
    for (registry, before) in [&world.ghcr, &world.dockerhub].into_iter().zip(before) {
        assert!(registry.deletions().is_empty());
        assert!(held(registry).is_superset(&before));
        assert_eq!(held(registry).len(), 12);
    }
}

#[rstest]
#[case::off("off", 6)]
#[case::after("after", 3)]
#[case::before("before", 3)]
#[tokio::test]
async fn the_order_can_be_chosen(#[case] order: &str, #[case] left: usize) {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", order).run().await.expect(0, &[]);
    for registry in [&world.ghcr, &world.dockerhub] {
        assert_eq!(registry.tags().await, ["latest"]);
        assert_eq!((held(registry).len(), whole(registry, "latest").await.len()), (left, 3));
        // Whether the first deletion comes before the tag is set the second time.
        let log = registry.log();
        let tag = log.rfind("\"PUT /v2/acme/hello/manifests/latest").unwrap();
        let first = log.find("\"DELETE /v2/acme/hello/manifests/");
        assert_eq!(first.map(|first| first < tag), (order != "off").then_some(order == "before"));
    }
}

#[tokio::test]
async fn nothing_is_taken_away_before_everything_is_staged_everywhere() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.proxy.inject("PUT", "/manifests/sha256:", Fault::Status(503));
    let ended = world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "before").run().await;
    ended.expect(4, &["nothing was published"]);
    assert!(world.proxy.hits() > 0 && world.ghcr.deletions().is_empty());
    assert_eq!(world.shown("latest").await, [Some(old.clone()), Some(old)]);
}

#[tokio::test]
async fn taken_away_first_it_is_put_back_where_the_tag_cannot_be_set() {
    let mut world = World::new().await;
    let old = world.published("refs/heads/main", "latest").await;
    world.change("two");
    // The tag is set nowhere on this one at first: three attempts; then it is put back.
    world.proxy.inject_times(3, "PUT", "/manifests/latest", Fault::Status(503));
    let ended = world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "before").run().await;
    ended.expect(4, &["latest is as before on ghcr", "latest is as before on dockerhub"]);
    assert_eq!(world.shown("latest").await, [Some(old.clone()), Some(old)]);
    for registry in [&world.ghcr, &world.dockerhub] {
        assert_eq!(whole(registry, "latest").await.len(), 3);
    }
}

#[tokio::test]
async fn without_a_latest_before_there_is_a_warning_and_no_error() {
    let world = World::new().await;
    let ended = world.publish("refs/heads/main").run().await;
    ended.expect(0, &["warning: latest was not there before on ghcr, dockerhub: nothing to clean up"]);
    let empty = World::new().await;
    let ended = empty.program(&["clean"]).run().await;
    ended.expect(0, &[]);
    assert!(ended.stdout.contains("warning: latest is not there"), "{}", ended.stdout);
}

#[tokio::test]
async fn what_builds_handed_over_that_never_were_published_is_removed_by_their_records() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    let live = held(&world.ghcr);
    world.change("never published");
    for platform in ["linux/amd64", "linux/arm64"] {
        world.program(&["build", "--platform", platform, "--ref", "refs/heads/main"]).run().await.expect(0, &[]);
    }
    assert_eq!(held(&world.ghcr).len(), live.len() + 2);
    // Without a record nothing is known to be ours, however lost it looks.
    world.program(&["clean"]).run().await.expect(0, &[]);
    assert_eq!(held(&world.ghcr).len(), live.len() + 2);
    world.program(&["clean", "--records", "digests"]).run().await.expect(0, &[]);
    assert_eq!((held(&world.ghcr), held(&world.dockerhub)), (live.clone(), live.clone()));

    // Records of what was published after all do no harm.
    world.change("published");
    world.published("refs/heads/main", "latest").await;
    for platform in ["linux/amd64", "linux/arm64"] {
        world.program(&["build", "--platform", platform, "--ref", "refs/heads/main"]).run().await.expect(0, &[]);
    }
    let live = held(&world.ghcr);
    world.program(&["clean", "--records", "digests"]).run().await.expect(0, &[]);
    assert_eq!(held(&world.ghcr), live);

    world.source.write("digests/amd64.json", "{");
    world.program(&["clean", "--records", "digests"]).run().await.expect(1, &["amd64.json is damaged"]);
}

#[tokio::test]
async fn what_latest_was_on_the_other_registry_goes_too() {
    let mut world = World::new().await;
    world.published("refs/heads/main", "latest").await;
    world.change("two");
    world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "off").run().await.expect(0, &[]);
    let second = world.ghcr.manifest("latest").await.unwrap();
    world.change("three");
    world.publish("refs/heads/main").env("TALLYMAN_CLEANUP", "off").run().await.expect(0, &[]);
    // As a run leaves it that was killed between two registries.
    put(&world.dockerhub, "latest", second).await;
    world.change("four");
    world.published("refs/heads/main", "latest").await;
    // The first one no record names any more: it stays.
    assert_eq!(held(&world.dockerhub).len(), 6);
    assert!(held(&world.ghcr).is_superset(&whole(&world.ghcr, "latest").await));
    assert_eq!(held(&world.ghcr).len(), 6);
}

#[tokio::test]
async fn a_run_that_was_overtaken_while_its_tag_was_held_takes_nothing_back() {
    let mut world = World::new().await;
    let before = world.published("refs/heads/main", "latest").await;
    // A release holds it, so that no registry would refuse to show it as `latest` again.
    world.published("refs/tags/v1.0.0", "1.0.0").await;
    world.change("two");
    world.proxy.inject_times(1, "PUT", "/manifests/latest", Fault::Hold);
    let held_run = world.publish("refs/heads/main").start();
    world.proxy.hit().await;
    // Its tag has moved on the other registry by then.
    while world.ghcr.digest("latest").await.as_ref() == Some(&before) {}
    world.change("three");
    let newest = world.published("refs/heads/main", "latest").await;
    world.proxy.heal();
    let ended = crate::support::Ended::of(held_run).await;
    assert_ne!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(world.shown("latest").await, [Some(newest.clone()), Some(newest)], "{}", ended.stderr);
    for registry in [&world.ghcr, &world.dockerhub] {
        assert_eq!(whole(registry, "latest").await.len(), 3);
    }
}
