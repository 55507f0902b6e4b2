//! Builds and merge as jobs of their own: what is handed over, and what is refused.

use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::Value;

use crate::support::{Program, Registry, World, http};

/// A run's number.
const RUN: &str = "4711";

fn in_run(program: Program, run: &str, attempt: &str) -> Program {
    program.env("GITHUB_RUN_ID", run).env("GITHUB_RUN_ATTEMPT", attempt)
}

/// A folder with what the builds of both platforms handed over.
async fn built(world: &World) -> PathBuf {
    for platform in ["linux/amd64", "linux/arm64"] {
        let build = world.program(&["build", "--platform", platform, "--ref", "refs/heads/main"]);
        in_run(build, RUN, "2").run().await.expect(0, &[]);
    }
    world.source.path().join("digests")
}

fn merge(world: &World) -> Program {
    in_run(world.program(&["merge", "--ref", "refs/heads/main"]), RUN, "2")
}

#[tokio::test]
async fn builds_hand_small_files_to_the_merge_which_publishes() {
    let world = World::new().await;
    let folder = built(&world).await;
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["amd64-dockerhub", "amd64-ghcr", "amd64.json", "arm64-dockerhub", "arm64-ghcr", "arm64.json"]);
    assert_eq!(std::fs::read(folder.join("arm64-ghcr")).unwrap().len(), 72);
    assert!(world.ghcr.tags().await.is_empty(), "a build moved a tag");

    merge(&world).run().await.expect(0, &[]);
    let [ghcr, dockerhub] = world.shown("latest").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
}

#[tokio::test]
async fn a_rerun_takes_what_an_earlier_attempt_handed_over() {
    let world = World::new().await;
    built(&world).await;
    in_run(merge(&world), RUN, "3").run().await.expect(0, &[]);
}

fn remove(name: &str) -> impl Fn(&Path) {
    let name = name.to_owned();
    move |folder| std::fs::remove_file(folder.join(&name)).unwrap()
}

fn replace(name: &str, old: &str, new: &str) -> impl Fn(&Path) {
    let [name, old, new] = [name, old, new].map(ToOwned::to_owned);
    move |folder| {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        assert!(text.contains(&old), "{name} has no {old}:\n{text}");
        std::fs::write(folder.join(&name), text.replace(&old, &new)).unwrap();
    }
}

fn copy(from: &str, to: &str) -> impl Fn(&Path) {
    let [from, to] = [from, to].map(ToOwned::to_owned);
    move |folder| _ = std::fs::copy(folder.join(&from), folder.join(&to)).unwrap()
}

#[rstest]
#[case::no_platform(Box::new(remove("arm64.json")), "arm64.json")]
#[case::no_registry(Box::new(remove("arm64-dockerhub")), "arm64-dockerhub")]
#[case::another_run(Box::new(replace("arm64.json", "4711", "4712")), "its run is 4712, expected 4711")]
#[case::a_later_attempt(
    Box::new(replace("arm64.json", "\"run_attempt\": 2", "\"run_attempt\": 3")),
    "its attempt is 3, expected 2 or less"
)]
#[case::another_commit(Box::new(replace("arm64.json", "\"commit\": \"", "\"commit\": \"f")), "its commit is f")]
#[case::another_platform(
    Box::new(copy("amd64.json", "arm64.json")),
    "its platform is linux/amd64, expected linux/arm64"
)]
#[case::another_repository(Box::new(replace("arm64.json", "/acme/hello", "/acme/other")), "its repository is")]
#[case::another_layout(
    Box::new(replace("arm64.json", "\"version\": 2", "\"version\": 3")),
    "its layout is 3, expected 2"
)]
#[case::another_manifest(
    Box::new(replace("arm64.json", "schemaVersion", "schemaversion")),
    "its manifest is not sha256:"
)]
#[case::another_digest(Box::new(copy("amd64-ghcr", "arm64-ghcr")), "its digest is sha256:")]
#[case::no_digest(Box::new(replace("arm64-ghcr", "sha256:", "sha257-")), "arm64-ghcr is damaged")]
#[case::no_record(Box::new(replace("arm64.json", "{", "")), "arm64.json is damaged")]
#[tokio::test]
async fn what_is_missing_or_belongs_elsewhere_is_refused(#[case] spoil: Box<dyn Fn(&Path)>, #[case] said: &str) {
    let world = World::new().await;
    spoil(&built(&world).await);
    merge(&world).run().await.expect(1, &[said, "nothing was published"]);
    assert!(world.ghcr.tags().await.is_empty() && world.dockerhub.tags().await.is_empty());
}

#[tokio::test]
async fn an_image_that_says_itself_that_it_is_another_platform_is_refused() {
    let world = World::new().await;
    let folder = built(&world).await;
    // Both platforms' files now name the amd64 image; the records agree with them.
    for name in ["-ghcr", "-dockerhub", ".json"] {
        copy(&format!("amd64{name}"), &format!("arm64{name}"))(&folder);
    }
    replace("arm64.json", "\"linux/amd64\"", "\"linux/arm64\"")(&folder);
    merge(&world).run().await.expect(1, &["says that it is linux/amd64"]);
    assert!(world.ghcr.tags().await.is_empty());
}

/// What a newer run's clean-up, or a registry's garbage collection, has removed since the build.
async fn vanish(registry: &Registry, kind: &str, digest: &str) {
    let address = format!("http://{}/v2/acme/hello/{kind}/{digest}", registry.host);
    assert_eq!(http().delete(address).send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn what_was_removed_since_the_build_is_put_back() {
    let world = World::new().await;
    let folder = built(&world).await;
    let digest = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned();
    let [amd64, arm64] = [digest("amd64-ghcr"), digest("arm64-ghcr")];
    // One image's manifest is gone from everywhere, the other image from one registry, with all that it is made of.
    vanish(&world.ghcr, "manifests", &amd64).await;
    vanish(&world.dockerhub, "manifests", &amd64).await;
    let manifest: Value = serde_json::from_slice(&world.ghcr.manifest(&arm64).await.unwrap()).unwrap();
    vanish(&world.ghcr, "manifests", &arm64).await;
    let layers = manifest["layers"].as_array().unwrap().iter();
    for part in layers.chain([&manifest["config"]]) {
        vanish(&world.ghcr, "blobs", part["digest"].as_str().unwrap()).await;
    }
    merge(&world).run().await.expect(0, &["the image for linux/amd64 had vanished from dockerhub: it was put back"]);
    let [ghcr, dockerhub] = world.shown("latest").await;
    assert!(ghcr.is_some() && ghcr == dockerhub);
    for (registry, image) in [(&world.ghcr, &amd64), (&world.dockerhub, &amd64), (&world.ghcr, &arm64)] {
        assert!(registry.manifest(image).await.is_some());
    }
    let layer = manifest["layers"][1]["digest"].as_str().unwrap();
    assert!(world.ghcr.blob(layer).await.is_some());
}

#[tokio::test]
async fn a_layer_that_no_registry_has_any_more_is_a_reason_to_build_again() {
    let world = World::new().await;
    let folder = built(&world).await;
    let arm64 = std::fs::read_to_string(folder.join("arm64-ghcr")).unwrap().trim().to_owned();
    let manifest: Value = serde_json::from_slice(&world.ghcr.manifest(&arm64).await.unwrap()).unwrap();
    for registry in [&world.ghcr, &world.dockerhub] {
        vanish(registry, "manifests", &arm64).await;
        vanish(registry, "blobs", manifest["layers"][1]["digest"].as_str().unwrap()).await;
    }
    merge(&world).run().await.expect(1, &["no registry has its layers", "run the build", "nothing was published"]);
}

/// A newer run's clean-up has removed the images of an older one before that has merged them: it is overtaken, not broken.
#[tokio::test]
async fn a_run_whose_images_a_newer_run_has_removed_is_overtaken() {
    let mut world = World::new().await;
    let folder = built(&world).await;
    let older = world.source.head();
    let arm64 = std::fs::read_to_string(folder.join("arm64-ghcr")).unwrap().trim().to_owned();
    let manifest: Value = serde_json::from_slice(&world.ghcr.manifest(&arm64).await.unwrap()).unwrap();
    let newer = world.change("two");
    let latest = world.published("refs/heads/main", "latest").await;
    for registry in [&world.ghcr, &world.dockerhub] {
        vanish(registry, "manifests", &arm64).await;
        vanish(registry, "blobs", manifest["layers"][1]["digest"].as_str().unwrap()).await;
    }
    let said = format!("of {newer}");
    merge(&world).env("GITHUB_SHA", &older).run().await.expect(5, &["a newer build is published as latest", &said]);
    assert_eq!(world.shown("latest").await, [Some(latest.clone()), Some(latest)]);
}
