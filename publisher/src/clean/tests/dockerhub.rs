//! What Docker Hub does in its own way, and both outcomes of what is not certain about it.

use rstest::rstest;

use super::fake::{FakeRegistry, TOKEN, outcomes};
use crate::{clean::Task, config::DriverKind::DockerHub, http::RETRY_AFTER_MAX, oci::Digest};

async fn with_old_latest() -> (FakeRegistry, Digest, Vec<Digest>) {
    let fake = FakeRegistry::start(DockerHub).await;
    let old = fake.contents().publish("latest", "old");
    fake.contents().publish("1.0.0", "release");
    let children = fake.contents().children(&old);
    (fake, old, children)
}

#[tokio::test]
async fn one_login_serves_a_clean_up_and_a_new_one_follows_when_it_is_refused() {
    let (fake, old, _) = with_old_latest().await;
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Removed");
    assert_eq!(fake.contents().count("POST /v2/auth/token"), 1);

    let (fake, old, _) = with_old_latest().await;
    fake.contents().before("page=1&", |contents| contents.answer("page=1&", 1, 401, r#"{"detail":"expired"}"#));
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Removed");
    assert_eq!(fake.contents().count("POST /v2/auth/token"), 2);
}

#[tokio::test]
async fn a_refused_login_is_a_missing_permission_and_not_repeated() {
    let (fake, old, _) = with_old_latest().await;
    let (cleaner, told) = fake.cleaner_of("acme/hello", "canary-wrong");
    let report = cleaner.clean(Task { recorded: vec![old], ..Task::default() }).await;
    let text = format!("{report:?} {:?}", told.events());
    assert!(report.problem.unwrap().denied && !text.contains("canary"), "{text}");
    assert_eq!(fake.contents().count("POST /v2/auth/token"), 1);
}

/// Reading counts as a pull: only tags that hold something of ours are read.
#[tokio::test]
async fn tags_that_reach_nothing_of_ours_are_not_read() {
    let (fake, old, _) = with_old_latest().await;
    for release in 0..20 {
        fake.contents().publish(&format!("2.0.{release}"), &format!("release {release}"));
    }
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Removed");
    // The two images that are going.
    assert_eq!(fake.contents().count("GET /v2/acme/hello/manifests/"), 2);
}

#[rstest]
#[case(&["digest"])]
#[case(&["images"])]
#[case(&["last_updated"])]
#[case(&["digest", "images", "last_updated"])]
#[tokio::test]
async fn what_the_listing_leaves_out_is_read_from_the_registry(#[case] omitted: &[&'static str]) {
    let (fake, old, children) = with_old_latest().await;
    {
        let mut contents = fake.contents();
        let mine = contents.list(&[&children[0]]);
        contents.tag("mine", &mine);
        contents.omitted = omitted.to_vec();
    }
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    assert!(fake.contents().holds(&children[0]));
}

#[tokio::test]
async fn a_registry_that_does_not_delete_keeps_everything_and_says_so() {
    let (fake, old, _) = with_old_latest().await;
    fake.contents().answer("DELETE ", usize::MAX, 405, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#);
    let report = fake.superseded(&old).await;
    assert_eq!((outcomes(&report).as_str(), report.problem), ("Kept Kept Kept", None));
    assert!(report.warnings[0].contains("does not delete manifests"), "{:?}", report.warnings);
    assert_eq!(fake.contents().count("DELETE "), 1);
}

#[tokio::test]
async fn an_image_that_docker_hub_still_counts_as_referenced_stays() {
    let (fake, old, children) = with_old_latest().await;
    fake.contents().answer(&format!("DELETE /v2/acme/hello/manifests/{}", children[0]), 1, 403, "");
    let report = fake.superseded(&old).await;
    // The list went, so we may: this is no missing permission.
    assert_eq!((outcomes(&report).as_str(), report.problem), ("Removed Kept Removed", None));
    assert!(report.warnings[0].contains("still in use"), "{:?}", report.warnings);
}

#[rstest]
#[case::done_already(true, "Removed Removed Removed")]
#[case::still_going_on(false, "Kept Kept Kept")]
#[tokio::test]
async fn a_500_may_mean_that_the_deletion_continues_in_the_background(#[case] done: bool, #[case] expected: &str) {
    let (fake, old, _) = with_old_latest().await;
    let list = old.clone();
    let line = format!("DELETE /v2/acme/hello/manifests/{old}");
    fake.contents().before(&line, move |contents| {
        if done {
            contents.forget(&list);
        }
    });
    fake.contents().answer(&line, usize::MAX, 500, "");
    let report = fake.superseded(&old).await;
    assert_eq!((outcomes(&report).as_str(), report.problem), (expected, None));
    assert_eq!(report.warnings.iter().any(|warning| warning.contains("in the background")), !done);
    assert_eq!(fake.contents().count(&line), 3);
}

#[rstest]
#[case::that_passes(500, 2, None)]
#[case::that_does_not(500, 3, Some(false))]
#[case::for_good(403, 1, Some(true))]
#[tokio::test]
async fn a_tag_is_deleted_or_stays_where_it_is(
    #[case] status: u16,
    #[case] times: usize,
    #[case] denied: Option<bool>,
) {
    let (fake, old, _) = with_old_latest().await;
    fake.contents().answer("DELETE /v2/repositories/", times, status, r#"{"message":"no"}"#);
    let manifest = fake.contents().manifest(&old);
    let vacated = fake.cleaner().vacate(&crate::oci::Tag::latest(), &manifest).await;
    assert_eq!(vacated.err().map(|problem| problem.denied), denied);
    assert_eq!(fake.contents().tags.contains_key("latest"), denied.is_some());
}

#[tokio::test]
async fn a_rate_limit_of_docker_hub_is_waited_for() {
    let (fake, old, _) = with_old_latest().await;
    fake.contents().answer_with("page=1&", 429, &[("x-retry-after", "99999999999")], "Too Many Requests");
    let (cleaner, told) = fake.cleaner_of("acme/hello", TOKEN);
    tokio::select! {
        report = cleaner.clean(Task { recorded: vec![old], ..Task::default() }) => panic!("did not wait: {report:?}"),
        () = told.retried() => assert_eq!(told.waits()[0].as_secs(), RETRY_AFTER_MAX.as_secs()),
    }
}

#[tokio::test]
async fn an_immutable_tag_stays_and_keeps_what_it_points_at() {
    let (fake, old, _) = with_old_latest().await;
    let (index, signature) = fake.contents().sign(&old);
    fake.contents().answer("DELETE /v2/repositories/", 1, 403, r#"{"detail":"tag is immutable"}"#);
    let report = fake.superseded(&old).await;
    assert!(report.warnings.iter().any(|it| it.contains("immutable")), "{:?}", report.warnings);
    assert!(fake.contents().holds(&index) && fake.contents().holds(&signature));
}

#[tokio::test]
async fn a_tag_on_a_later_page_counts_as_any_other() {
    let (fake, old, children) = with_old_latest().await;
    {
        let mut contents = fake.contents();
        let mine = contents.list(&[&children[0]]);
        contents.tag("mine", &mine);
        for release in 0..150 {
            contents.publish(&format!("2.0.{release}"), &format!("release {release}"));
        }
    }
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    // The first listing reads both pages, the others only the one with what changed since.
    let contents = fake.contents();
    assert_eq!((contents.count("page=2&"), contents.count("page=1&") > 2), (1, true));
}
