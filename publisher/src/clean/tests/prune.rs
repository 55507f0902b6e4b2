//! The layer cache: what is old and unused goes, whatever else is there.

use std::{collections::HashSet, time::Duration};

use rstest::rstest;

use super::fake::{FakeRegistry, day, key, outcomes};
use crate::{
    clean::{Pruning, Report},
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::Digest,
};

/// The day on which everything is pruned.
const TODAY: u64 = 100;

/// Prunes what is older than thirty days but for steps of these names.
async fn prune(fake: &FakeRegistry, used: &[&str], dry_run: bool) -> Report {
    fake.contents().log.clear();
    let used: HashSet<_> = used.iter().map(|name| key(name).parse().unwrap()).collect();
    let max_age = Duration::from_secs(30 * 24 * 60 * 60);
    fake.cleaner().prune(&Pruning { used, max_age, now: day(TODAY), dry_run }).await
}

/// A cache with steps of the days 1, 2, 3, 80 and 90.
async fn cache(kind: DriverKind) -> (FakeRegistry, Vec<Digest>) {
    let fake = FakeRegistry::start(kind).await;
    let days = [("base", 1), ("make", 2), ("old", 3), ("new", 80), ("newer", 90)];
    let steps = days.map(|(name, day)| fake.contents().step(name, day)).to_vec();
    (fake, steps)
}

fn left(fake: &FakeRegistry, steps: &[Digest]) -> Vec<bool> {
    steps.iter().map(|step| fake.contents().holds(step)).collect()
}

#[rstest]
#[tokio::test]
async fn old_unused_steps_are_removed_oldest_first(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, steps) = cache(kind).await;
    let report = prune(&fake, &["base", "newer"], false).await;
    assert_eq!((outcomes(&report).as_str(), &report.problem, report.warnings.len()), ("Removed Removed", &None, 0));
    assert_eq!(left(&fake, &steps), [true, false, false, true, true]);
    let names: Vec<_> = ["base", "new", "newer"].map(key).into();
    assert!(fake.contents().tags.keys().all(|tag| names.contains(tag)), "{:?}", fake.contents().tags);
    let because = format!("step {} of 2023-11-16, no build used it since", &key("make")[..12]);
    assert_eq!(report.items[0].because, because);
    assert_eq!(report.restore, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn without_a_build_age_alone_decides(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, steps) = cache(kind).await;
    let dry = prune(&fake, &[], true).await;
    assert_eq!((outcomes(&dry).as_str(), fake.contents().count("DELETE ")), ("Planned Planned Planned", 0));
    assert!(dry.text().contains("to remove image "), "{}", dry.text());
    assert_eq!(outcomes(&prune(&fake, &[], false).await), "Removed Removed Removed");
    assert_eq!(left(&fake, &steps), [false, false, false, true, true]);
    assert_eq!(outcomes(&prune(&fake, &[], false).await), "");
}

#[rstest]
#[tokio::test]
async fn a_step_with_a_tag_of_another_user_is_kept(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, steps) = cache(kind).await;
    {
        let mut contents = fake.contents();
        contents.tag("mine", &steps[0]);
        let list = contents.list(&[&steps[1]]);
        contents.tag("list", &list);
    }
    let report = prune(&fake, &[], false).await;
    // Where a tag is younger than what it is on, the youngest counts.
    assert_eq!(outcomes(&report), "Kept Removed");
    assert_eq!(report.items[0].because, format!("step {} of 2023-11-16, list holds it", &key("make")[..12]));
    assert_eq!(left(&fake, &steps), [true, true, false, true, true]);
}

#[rstest]
#[tokio::test]
async fn an_unreadable_list_of_another_user_keeps_everything(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (fake, steps) = cache(kind).await;
    fake.contents().nonsense("odd");
    let report = prune(&fake, &[], false).await;
    assert!(report.problem.is_some() && report.items.is_empty(), "{report:?}");
    assert_eq!((left(&fake, &steps), fake.contents().count("DELETE ")), (vec![true; 5], 0));
}

#[rstest]
#[tokio::test]
async fn a_listing_that_fails_keeps_everything(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, steps) = cache(kind).await;
    fake.contents().answer("GET /", usize::MAX, 500, "");
    assert!(prune(&fake, &[], false).await.problem.is_some_and(|problem| !problem.denied));
    assert_eq!(left(&fake, &steps), [true; 5]);
}

#[rstest]
#[tokio::test]
async fn a_missing_permission_is_reported(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, steps) = cache(kind).await;
    fake.contents().answer("DELETE ", usize::MAX, 403, r#"{"message":"no"}"#);
    let report = prune(&fake, &[], false).await;
    assert!(report.problem.as_ref().is_some_and(|problem| problem.denied), "{report:?}");
    assert_eq!(outcomes(&report), "Kept Kept Kept");
    assert_eq!((left(&fake, &steps), fake.contents().count("DELETE ")), (vec![true; 5], 1));
}

/// Its key leads to another image by now. Only GitHub shows it at all.
#[tokio::test]
async fn an_old_image_without_a_key_is_removed_unless_the_repository_is_shared() {
    for is_shared in [false, true] {
        let fake = FakeRegistry::start(GitHub).await;
        let before = fake.contents().step("make", 1);
        let now = fake.contents().step("make", 95);
        if is_shared {
            fake.contents().publish("mine", "another user's");
        }
        let report = prune(&fake, &[], false).await;
        assert_eq!(outcomes(&report), if is_shared { "" } else { "Removed" });
        assert_eq!(left(&fake, &[before, now]), [is_shared, true]);
    }
}

#[tokio::test]
async fn a_step_tagged_at_the_last_moment_is_kept() {
    let (fake, steps) = cache(GitHub).await;
    let step = steps[0].clone();
    fake.contents().before("/versions/", move |contents| contents.tag("mine", &step));
    let report = prune(&fake, &[], false).await;
    assert_eq!(outcomes(&report), "Kept Removed Removed");
    assert_eq!(report.items[0].because, "it has a tag now: mine");
    assert_eq!(left(&fake, &steps), [true, false, false, true, true]);
}

#[tokio::test]
async fn an_immutable_key_keeps_its_step() {
    let (fake, steps) = cache(DockerHub).await;
    fake.contents().answer("DELETE /v2/repositories/", 1, 403, r#"{"detail":"tag is immutable"}"#);
    let report = prune(&fake, &[], false).await;
    assert_eq!((outcomes(&report).as_str(), &report.problem), ("Kept Removed Removed", &None));
    assert_eq!((report.items[0].because.as_str(), left(&fake, &steps)[0]), ("the tag is immutable", true));
}

/// Of a registry that does not tell the age, the image's own word counts; without one it stays.
#[tokio::test]
async fn a_step_of_unknown_age_is_kept() {
    let fake = FakeRegistry::start(Distribution).await;
    {
        let mut contents = fake.contents();
        let image = contents.image("of no age");
        contents.tag(&key("undated"), &image);
        contents.step("old", 1);
    }
    assert_eq!(outcomes(&prune(&fake, &[], false).await), "Removed");
    assert!(fake.contents().tags.contains_key(&key("undated")));
}

#[tokio::test]
async fn removals_are_limited_and_the_rest_follows_next_time() {
    let fake = FakeRegistry::start(GitHub).await;
    for step in 0..60 {
        fake.contents().step(&format!("step {step}"), 1);
    }
    fake.contents().step("new", 90);
    let report = prune(&fake, &[], false).await;
    assert_eq!((report.items.len(), fake.contents().tags.len()), (50, 11));
    assert_eq!(report.warnings, ["10 more are as old and left for the next clean-up"]);
    // One to find the package, one page of the listing, two for each step.
    assert_eq!(fake.contents().log.len(), 1 + 1 + 2 * 50);
    assert_eq!(prune(&fake, &[], false).await.items.len(), 10);
}
