//! What a clean-up costs as a repository grows to two thousand manifests.
//!
//! On GitHub nothing more. On Docker Hub the listing is the only way from a digest to its tags, a hundred tags a request; a tag
//! may be older than everything that is ours and hold it all the same, as far as the listing tells, so none of its pages can be
//! left out. What counts as a pull does not grow. A plain registry has no way from a digest to its tags at all: each is asked
//! for in each scan, and read once.

use super::fake::{FakeRegistry, outcomes};
use crate::config::DriverKind::{self, Distribution, DockerHub, GitHub};

/// How many releases there are, of three manifests each: up to 2,001.
const SIZES: [usize; 3] = [40, 250, 667];
/// How many tags there are beside the releases.
const OTHER_TAGS: usize = 2;
/// How many tags a page of Docker Hub's listing has.
const PAGE: usize = 100;
/// A scan at first, one before each of three deletions, one at the end; and what each tag holds is read once.
const REQUESTS_PER_TAG: usize = 5 + 1;

/// How many requests a clean-up makes, and how many manifests it reads, in repositories of these sizes.
async fn requests(kind: DriverKind) -> Vec<(usize, usize)> {
    let mut seen = Vec::new();
    for releases in SIZES {
        let fake = FakeRegistry::start(kind).await;
        for release in 0..releases {
            fake.contents().publish(&format!("1.0.{release}"), &format!("release {release}"));
        }
        let old = fake.contents().publish("latest", "old");
        let between = fake.contents().publish("2.0.0", "between");
        assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Removed");
        assert!(fake.contents().holds(&between), "another user's image is gone");
        let contents = fake.contents();
        seen.push((contents.log.len(), contents.count("GET /v2/acme/hello/manifests/")));
    }
    seen
}

#[tokio::test]
async fn on_github_they_do_not_grow() {
    let seen = requests(GitHub).await;
    assert!(seen.iter().all(|it| *it == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn on_docker_hub_there_is_one_more_for_every_hundred_tags_and_no_more_pulls() {
    let seen = requests(DockerHub).await;
    for (releases, it) in SIZES.into_iter().zip(&seen) {
        let more_pages = (releases + OTHER_TAGS).div_ceil(PAGE) - 1;
        assert_eq!(*it, (seen[0].0 + more_pages, seen[0].1), "{seen:?}");
    }
}

#[tokio::test]
async fn on_a_plain_registry_there_are_six_more_for_every_tag() {
    let seen = requests(Distribution).await;
    for (releases, it) in SIZES.into_iter().zip(&seen) {
        let more = releases - SIZES[0];
        assert_eq!(*it, (seen[0].0 + REQUESTS_PER_TAG * more, seen[0].1 + more), "{seen:?}");
    }
}
