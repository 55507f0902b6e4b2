//! What accumulates over many builds, on GHCR, on Docker Hub and on a registry that is nothing but a registry: nothing.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use futures::future::join_all;
use serde_json::Value;

use crate::support::{Side, StandIns, World};

/// How many builds of the main branch there are.
const BUILDS: usize = 20;
/// The releases, each after the build of this number: of the very image that is `latest` then, or of a commit of its own.
const RELEASES: [(usize, &str, bool); 5] =
    [(3, "1.0.0", true), (7, "1.1.0", false), (10, "1.2.0", false), (13, "1.3.0", true), (16, "1.4.0", false)];
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Publishes a ref everywhere and tells the requests that it took: on each registry, on GitHub's and on Docker Hub's
/// interface.
async fn publish(stand_ins: &StandIns, world: &World, reference: &str) -> [usize; 5] {
    let before = stand_ins.requests();
    let ended = stand_ins.before(world.publish(reference)).run().await;
    ended.expect(0, &[]);
    let is_first = before == [0; 5];
    assert_eq!(ended.stderr.contains("warning"), is_first && reference.contains("main"), "{}", ended.stderr);
    let after = stand_ins.requests();
    std::array::from_fn(|server| after[server] - before[server])
}

#[tokio::test]
async fn twenty_builds_and_five_releases_leave_one_latest_and_the_releases_and_nothing_else() {
    let (stand_ins, mut world) = tokio::join!(StandIns::start(), World::new());
    let mut requests = Vec::new();
    let mut released = Vec::new();
    for build in 1..=BUILDS {
        world.change(&format!("build {build}"));
        requests.push(publish(&stand_ins, &world, "refs/heads/main").await);
        for (_, version, is_latest) in RELEASES.into_iter().filter(|(after, ..)| *after == build) {
            if !is_latest {
                world.change(&format!("only released as {version}"));
            }
            publish(&stand_ins, &world, &format!("refs/tags/v{version}")).await;
            let tags = stand_ins.sides[0].tags();
            let at = |name: &str| tags.iter().find(|(tag, _)| tag == name).unwrap().1.clone();
            assert_eq!(at(version) == at("latest"), is_latest);
            released.push((version.to_owned(), at(version)));
        }
    }
    stand_ins.expect_no_trouble();
    for side in &stand_ins.sides {
        expect_nothing_but_latest_and(&released, side);
        expect_all_pulled(side).await;
    }
    expect_flat(&requests);
}

/// One `latest`, the releases as they were made, of each the list and two images, and no manifest besides.
fn expect_nothing_but_latest_and(released: &[(String, String)], side: &Side) {
    let tags = side.tags();
    let (versions, others): (Vec<_>, Vec<_>) = tags.iter().cloned().partition(|(tag, _)| tag != "latest");
    assert_eq!(versions, released, "on {}", side.name);
    assert_eq!(others.len(), 1, "on {}", side.name);
    let mut expected = BTreeSet::new();
    for (_, list) in &tags {
        expected.extend(side.children(list));
        expected.insert(list.clone());
    }
    assert_eq!(expected.len(), 3 * (RELEASES.len() + 1), "on {}", side.name);
    assert_eq!(side.manifests(), expected.into_iter().collect::<Vec<_>>(), "on {}", side.name);
}

/// Pulls every tag for each platform, as a client does that has nothing to do with us.
async fn expect_all_pulled(side: &Side) {
    let folder = tempfile::tempdir().unwrap();
    let tags = side.tags();
    let pulls = tags.iter().flat_map(|(tag, _)| PLATFORMS.map(|platform| (tag, platform)));
    join_all(pulls.map(async |(tag, platform)| {
        let to = folder.path().join(format!("{tag}-{platform}"));
        let pull = tokio::process::Command::new("skopeo")
            .args(["--insecure-policy", "--override-os", "linux", "--override-arch", platform])
            .args(["copy", "--quiet", "--src-tls-verify=false"])
            .arg(format!("docker://{}:{tag}", side.repository()))
            .arg(format!("dir:{}", to.display()))
            .stdin(Stdio::null())
            .output();
        let output = pull.await.expect("skopeo is missing: run ./setup.sh");
        assert!(output.status.success(), "{tag} for {platform}: {}", String::from_utf8_lossy(&output.stderr));
        let config = read(&to, "manifest.json")["config"]["digest"].as_str().unwrap().replace("sha256:", "");
        assert_eq!(read(&to, &config)["architecture"], platform, "{tag} on {}", side.name);
    }))
    .await;
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// How often a registry that tells nothing is asked for each tag: in five looks, and once for what it holds.
const REQUESTS_PER_TAG: usize = 6;
/// GitHub dates versions to the second, and a build here takes less: a release of the same second as the superseded image
/// could be a list that names it, and is read. At most one of these builds has such a release before it.
const SAME_SECOND: usize = 1;

/// A late build asks no more than an early one, but for each tag of a registry that tells nothing.
fn expect_flat(requests: &[[usize; 5]]) {
    // The fifth and the last are alike: there was a build right before, and no release between the two.
    let [early, late] = [requests[4], requests[BUILDS - 1]];
    let added = RELEASES.iter().filter(|(after, ..)| *after > 4).count();
    let plain = early[2] + REQUESTS_PER_TAG * added;
    assert!(late[0].abs_diff(early[0]) <= SAME_SECOND, "{requests:?}");
    assert_eq!(late[1..], [early[1], plain, early[3], early[4]], "{requests:?}");
}
