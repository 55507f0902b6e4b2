//! What GitHub Packages does in its own way.

use rstest::rstest;

use super::fake::{FakeRegistry, TOKEN, outcomes};
use crate::{
    clean::Task,
    config::DriverKind::GitHub,
    oci::{Digest, Tag},
};

async fn with_old_latest() -> (FakeRegistry, Digest) {
    let fake = FakeRegistry::start(GitHub).await;
    let old = fake.contents().publish("latest", "old");
    (fake, old)
}

#[rstest]
#[case("orgs/acme")]
#[case("users/acme")]
#[case("user")]
#[tokio::test]
async fn the_package_is_found_wherever_it_lives_and_can_be_restored_there(#[case] home: &'static str) {
    let (fake, old) = with_old_latest().await;
    fake.contents().home = home;
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), "Removed Removed Removed");
    let command = format!("gh api --method POST /{home}/packages/container/hello/versions/");
    assert_eq!(report.restore.len(), 3);
    assert!(report.restore.iter().all(|line| line.starts_with(&command) && line.ends_with("/restore")));
    assert!(report.text().contains("to undo, within 30 days:\n    gh api"));
}

#[tokio::test]
async fn a_name_of_several_parts_is_percent_encoded() {
    let (fake, _) = with_old_latest().await;
    let (cleaner, _) = fake.cleaner_of("acme/tools/hello", TOKEN);
    cleaner.clean(Task::default()).await;
    let log = fake.contents().log.clone();
    assert!(log.iter().any(|line| line == "GET /orgs/acme/packages/container/tools%2Fhello"), "{log:?}");
}

#[tokio::test]
async fn a_package_that_is_not_shown_is_a_missing_permission() {
    let (fake, old) = with_old_latest().await;
    fake.contents().home = "nowhere";
    let problem = fake.superseded(&old).await.problem.unwrap();
    assert!(problem.denied && problem.causes[0].contains("role Admin on the"), "{problem:?}");
}

#[tokio::test]
async fn a_bad_token_is_reported_and_not_quoted() {
    let (fake, old) = with_old_latest().await;
    let (cleaner, told) = fake.cleaner_of("acme/hello", "canary-wrong");
    fake.contents().answer("/packages/", 1, 401, r#"{"message":"Bad credentials: canary-wrong"}"#);
    let report = cleaner.clean(Task { recorded: vec![old], ..Task::default() }).await;
    let text = format!("{report:?} {:?}", told.events());
    assert!(report.problem.unwrap().denied && !text.contains("canary"), "{text}");
}

#[rstest]
#[case(
    400,
    "You cannot delete the last tagged version of a package. You must delete the package instead.",
    "last tagged"
)]
#[case(400, "Publicly visible package versions with more than 5000 downloads cannot be deleted.", "5,000 downloads")]
#[case(403, "versions with more than 5,000 downloads cannot be deleted", "5,000 downloads")]
#[tokio::test]
async fn a_version_that_github_keeps_keeps_its_images(#[case] status: u16, #[case] message: &str, #[case] why: &str) {
    let (fake, old) = with_old_latest().await;
    fake.contents().answer("DELETE ", 1, status, &format!(r#"{{"message":"{message}"}}"#));
    let report = fake.superseded(&old).await;
    assert_eq!((outcomes(&report).as_str(), report.problem), ("Kept Kept Kept", None));
    assert!(report.warnings[0].contains(why), "{:?}", report.warnings);
    assert_eq!(fake.contents().count("DELETE "), 1);
}

#[tokio::test]
async fn a_tag_that_github_shows_late_is_waited_for() {
    let (fake, old) = with_old_latest().await;
    // Shown by the listings too, which do not decide; then twice when the version itself is looked at.
    fake.contents().lagging = Some((4, old.clone()));
    let report = fake.superseded(&old).await;
    assert_eq!((outcomes(&report).as_str(), report.warnings.len()), ("Removed Removed Removed", 0));
    let reads =
        fake.contents().log.iter().filter(|line| line.contains("/versions/") && line.starts_with("GET")).count();
    assert_eq!(reads, 5, "three looks at the list, one at each image");
}

#[tokio::test]
async fn a_tag_that_never_leaves_keeps_its_version() {
    let (fake, old) = with_old_latest().await;
    fake.contents().lagging = Some((usize::MAX, old.clone()));
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), "Kept Kept Kept");
    assert!(report.warnings[0].contains("it has a tag now: latest"), "{:?}", report.warnings);
    assert_eq!(fake.contents().count("DELETE "), 0);
}

#[tokio::test]
async fn a_tag_set_between_the_listing_and_the_deletion_keeps_its_version() {
    let (fake, old) = with_old_latest().await;
    let list = old.clone();
    fake.contents().before("/versions/", move |contents| contents.tag("mine", &list));
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), "Kept Kept Kept");
    assert!(fake.contents().holds(&old));
}

/// Releases are only skipped as long as the listing itself shows that it is newest first.
#[tokio::test]
async fn in_any_other_order_everything_is_read() {
    let fake = FakeRegistry::start(GitHub).await;
    for release in 0..80 {
        fake.contents().publish(&format!("1.0.{release}"), &format!("release {release}"));
    }
    let old = fake.contents().publish("latest", "old");
    let (shared, mine) = {
        let mut contents = fake.contents();
        let shared = contents.children(&old)[0].clone();
        let mine = contents.list(&[&shared]);
        contents.tag("mine", &mine);
        contents.oldest_first = true;
        (shared, mine)
    };
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    let contents = fake.contents();
    assert!(contents.holds(&shared) && contents.holds(&mine));
    let pages: Vec<_> = (1..=3).map(|page| contents.count(&format!("per_page=100&page={page}&"))).collect();
    assert!(pages[0] > 0 && pages.iter().all(|count| *count == pages[0]), "{pages:?}");
}

#[tokio::test]
async fn without_dates_everything_is_read() {
    let (fake, old) = with_old_latest().await;
    let shared = {
        let mut contents = fake.contents();
        for release in 0..80 {
            contents.publish(&format!("1.0.{release}"), &format!("release {release}"));
        }
        let shared = contents.children(&old)[0].clone();
        let mine = contents.list(&[&shared]);
        contents.tag("mine", &mine);
        contents.undated = true;
        shared
    };
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    assert!(fake.contents().holds(&shared) && fake.contents().count("&page=3&") > 0);
}

#[rstest]
#[case(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999999")], "API rate limit exceeded", 60)]
#[case(&[], "You have exceeded a secondary rate limit", 60)]
#[case(&[("retry-after", "7")], "You have exceeded a secondary rate limit", 7)]
#[tokio::test]
async fn rate_limits_of_github_are_waited_for(
    #[case] headers: &[(&'static str, &str)],
    #[case] message: &str,
    #[case] seconds: u64,
) {
    let (fake, old) = with_old_latest().await;
    fake.contents().answer_with("/packages/", 403, headers, &format!(r#"{{"message":"{message}"}}"#));
    let (cleaner, told) = fake.cleaner_of("acme/hello", TOKEN);
    tokio::select! {
        report = cleaner.clean(Task { recorded: vec![old], ..Task::default() }) => panic!("did not wait: {report:?}"),
        () = told.retried() => assert_eq!(told.waits()[0].as_secs(), seconds),
    }
}

#[tokio::test]
async fn an_answer_that_is_no_listing_keeps_everything() {
    for body in ["<html>", "{}", r#"[{"id":1,"name":"hello","metadata":{"container":{"tags":[]}}}]"#] {
        let (fake, old) = with_old_latest().await;
        fake.contents().answer("versions?", usize::MAX, 200, body);
        assert!(fake.superseded(&old).await.problem.is_some(), "{body} was believed");
        assert!(fake.contents().holds(&old));
    }
}

/// A fallback tag may lead anywhere: to something that is older than all that was listed, and that an old release holds.
#[tokio::test]
async fn an_old_referrer_found_late_is_listed_too() {
    let (fake, ancient) = (FakeRegistry::start(GitHub).await, "0.0.1");
    let shared = {
        let mut contents = fake.contents();
        let release = contents.publish(ancient, "ancient");
        for release in 0..80 {
            contents.publish(&format!("1.0.{release}"), &format!("release {release}"));
        }
        contents.children(&release)[0].clone()
    };
    let old = fake.contents().publish("latest", "old");
    {
        let mut contents = fake.contents();
        let index = contents.list(&[&shared]);
        contents.tag(&old.to_string().replace(':', "-"), &index);
    }
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), "Removed Removed Removed Removed Kept");
    assert!(fake.contents().holds(&shared), "{ancient} lost an image");
    let item = report.items.iter().find(|item| item.digest == shared).unwrap();
    assert_eq!((item.because.as_str(), report.warnings.len()), ("0.0.1 holds it", 0));
}

/// The order `before` falls back to moving the tag; the old image goes after that.
#[tokio::test]
async fn the_only_tag_of_a_package_cannot_be_taken_away_first() {
    let (fake, old) = with_old_latest().await;
    let manifest = fake.contents().manifest(&old);
    fake.cleaner().vacate(&Tag::latest(), &manifest).await.unwrap();
    assert_eq!(fake.contents().tags.get("latest"), Some(&old));
    assert_eq!(fake.contents().count("DELETE "), 1);
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Removed");
}
