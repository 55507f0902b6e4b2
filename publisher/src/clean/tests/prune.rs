//! The layer cache: what is old and unused goes, whatever else is there.

use std::{collections::HashSet, time::Duration};

use rstest::rstest;

use super::ground::{Ground, day, fates, key};
use crate::{
    clean::{Pruning, Report},
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::Digest,
};

/// The day on which everything is pruned.
const TODAY: u64 = 100;

/// Prunes what is older than thirty days but for steps of these names.
async fn prune(ground: &Ground, used: &[&str], dry_run: bool) -> Report {
    ground.contents().log.clear();
    let used: HashSet<_> = used.iter().map(|name| key(name).parse().unwrap()).collect();
    let max_age = Duration::from_secs(30 * 24 * 60 * 60);
    ground.cleaner().prune(&Pruning { used, max_age, now: day(TODAY), dry_run }).await
}

/// A cache with steps of the days 1, 2, 3, 80 and 90.
async fn cache(kind: DriverKind) -> (Ground, Vec<Digest>) {
    let ground = Ground::start(kind).await;
    let days = [("base", 1), ("make", 2), ("old", 3), ("new", 80), ("newer", 90)];
    let steps = days.map(|(name, day)| ground.contents().step(name, day)).to_vec();
    (ground, steps)
}

fn left(ground: &Ground, steps: &[Digest]) -> Vec<bool> {
    steps.iter().map(|step| ground.contents().holds(step)).collect()
}

#[rstest]
#[tokio::test]
async fn steps_that_are_old_and_unused_go_oldest_first(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, steps) = cache(kind).await;
    let report = prune(&ground, &["base", "newer"], false).await;
    assert_eq!((fates(&report).as_str(), &report.problem, report.warnings.len()), ("Kept Removed Removed", &None, 0));
    assert_eq!(left(&ground, &steps), [true, false, false, true, true]);
    let names: Vec<_> = ["base", "new", "newer"].map(key).into();
    assert!(ground.contents().tags.keys().all(|tag| names.contains(tag)), "{:?}", ground.contents().tags);
    let made = "of 2023-11-1";
    assert!(report.items[0].because.contains(made) && report.items[0].because.ends_with("this build used it"));
    assert!(report.items[1].because.starts_with(&format!("step {}", &key("make")[..12])), "{:?}", report.items);
    assert_eq!(report.restore, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn without_a_build_at_hand_age_alone_decides(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, steps) = cache(kind).await;
    let dry = prune(&ground, &[], true).await;
    assert_eq!((fates(&dry).as_str(), ground.contents().count("DELETE ")), ("Planned Planned Planned", 0));
    assert!(dry.text().contains("remove image "), "{}", dry.text());
    assert_eq!(fates(&prune(&ground, &[], false).await), "Removed Removed Removed");
    assert_eq!(left(&ground, &steps), [false, false, false, true, true]);
    assert_eq!(fates(&prune(&ground, &[], false).await), "");
}

#[rstest]
#[tokio::test]
async fn what_somebody_else_has_a_tag_on_stays(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, steps) = cache(kind).await;
    {
        let mut contents = ground.contents();
        contents.tag("mine", &steps[0]);
        let list = contents.list(&[&steps[1]]);
        contents.tag("list", &list);
    }
    let report = prune(&ground, &[], false).await;
    // Where a tag is younger than what it is on, the youngest counts.
    assert_eq!(fates(&report), "Kept Removed");
    assert_eq!(report.items[0].because, format!("step {} of 2023-11-16, list holds it", &key("make")[..12]));
    assert_eq!(left(&ground, &steps), [true, true, false, true, true]);
}

#[rstest]
#[tokio::test]
async fn if_anything_of_somebody_elses_cannot_be_read_nothing_goes(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (ground, steps) = cache(kind).await;
    ground.contents().nonsense("odd");
    let report = prune(&ground, &[], false).await;
    assert!(report.problem.is_some() && report.items.is_empty(), "{report:?}");
    assert_eq!((left(&ground, &steps), ground.contents().count("DELETE ")), (vec![true; 5], 0));
}

#[rstest]
#[tokio::test]
async fn a_listing_that_fails_keeps_everything(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, steps) = cache(kind).await;
    ground.contents().answer("GET /", usize::MAX, 500, "");
    assert!(prune(&ground, &[], false).await.problem.is_some_and(|problem| !problem.denied));
    assert_eq!(left(&ground, &steps), [true; 5]);
}

#[rstest]
#[tokio::test]
async fn who_may_not_is_told_which_permission_is_missing(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, steps) = cache(kind).await;
    ground.contents().answer("DELETE ", usize::MAX, 403, r#"{"message":"no"}"#);
    let report = prune(&ground, &[], false).await;
    assert!(report.problem.as_ref().is_some_and(|problem| problem.denied), "{report:?}");
    assert_eq!(fates(&report), "Kept Kept Kept");
    assert_eq!((left(&ground, &steps), ground.contents().count("DELETE ")), (vec![true; 5], 1));
}

/// Its key leads to another image by now. Only GitHub shows it at all.
#[tokio::test]
async fn an_old_image_that_no_key_leads_to_goes_unless_others_use_the_repository() {
    for is_shared in [false, true] {
        let ground = Ground::start(GitHub).await;
        let before = ground.contents().step("make", 1);
        let now = ground.contents().step("make", 95);
        if is_shared {
            ground.contents().publish("mine", "somebody else's");
        }
        let report = prune(&ground, &[], false).await;
        assert_eq!(fates(&report), if is_shared { "" } else { "Removed" });
        assert_eq!(left(&ground, &[before, now]), [is_shared, true]);
    }
}

#[tokio::test]
async fn a_step_that_is_left_anew_at_the_last_moment_stays() {
    let (ground, steps) = cache(GitHub).await;
    let step = steps[0].clone();
    ground.contents().before("/versions/", move |contents| contents.tag("mine", &step));
    let report = prune(&ground, &[], false).await;
    assert_eq!(fates(&report), "Kept Removed Removed");
    assert_eq!(report.items[0].because, "it has a tag now: mine");
    assert_eq!(left(&ground, &steps), [true, false, false, true, true]);
}

#[tokio::test]
async fn a_key_that_is_immutable_stays_with_its_step() {
    let (ground, steps) = cache(DockerHub).await;
    ground.contents().answer("DELETE /v2/repositories/", 1, 403, r#"{"detail":"tag is immutable"}"#);
    let report = prune(&ground, &[], false).await;
    assert_eq!((fates(&report).as_str(), &report.problem), ("Kept Removed Removed", &None));
    assert_eq!((report.items[0].because.as_str(), left(&ground, &steps)[0]), ("the tag is immutable", true));
}

/// Of a registry that does not tell the age, the image's own word counts; without one it stays.
#[tokio::test]
async fn a_step_of_unknown_age_stays() {
    let ground = Ground::start(Distribution).await;
    {
        let mut contents = ground.contents();
        let image = contents.image("of no age");
        contents.tag(&key("undated"), &image);
        contents.step("old", 1);
    }
    assert_eq!(fates(&prune(&ground, &[], false).await), "Removed");
    assert!(ground.contents().tags.contains_key(&key("undated")));
}

#[tokio::test]
async fn so_many_are_removed_and_no_more_until_the_next_time() {
    let ground = Ground::start(GitHub).await;
    for step in 0..60 {
        ground.contents().step(&format!("step {step}"), 1);
    }
    ground.contents().step("new", 90);
    let report = prune(&ground, &[], false).await;
    assert_eq!((report.items.len(), ground.contents().tags.len()), (50, 11));
    assert_eq!(report.warnings, ["10 more are as old and left for the next clean-up"]);
    // One to find the package, one page of the listing, two for each step.
    assert_eq!(ground.contents().log.len(), 1 + 1 + 2 * 50);
    assert_eq!(prune(&ground, &[], false).await.items.len(), 10);
}
