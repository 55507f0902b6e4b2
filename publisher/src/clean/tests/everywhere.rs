//! What holds on every kind of registry, whatever its interface.

use rstest::rstest;

use super::fake::{FakeRegistry, outcomes};
use crate::{
    clean::{Outcome, Task},
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::{Digest, Tag},
};

/// What is left of a list and what it names.
fn left(fake: &FakeRegistry, list: &Digest, children: &[Digest]) -> Vec<bool> {
    let contents = fake.contents();
    std::iter::once(list).chain(children).map(|digest| contents.holds(digest)).collect()
}

/// A repository with an old `latest`.
async fn with_old_latest(kind: DriverKind) -> (FakeRegistry, Digest, Vec<Digest>) {
    let fake = FakeRegistry::start(kind).await;
    let old = fake.contents().publish("latest", "old");
    let children = fake.contents().children(&old);
    (fake, old, children)
}

#[rstest]
#[tokio::test]
async fn what_only_latest_reached_is_removed_list_first(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().publish("1.0.0", "release");
    let report = fake.superseded(&old).await;
    assert_eq!(
        (outcomes(&report).as_str(), report.problem, report.warnings.len()),
        ("Removed Removed Removed", None, 0)
    );
    assert_eq!(left(&fake, &old, &children), [false, false, false]);
    let contents = fake.contents();
    assert_eq!(contents.tags.keys().collect::<Vec<_>>(), ["1.0.0", "latest"]);
    assert_eq!(contents.count("DELETE "), 3);
    for tag in contents.tags.values() {
        assert!(contents.children(tag).iter().all(|child| contents.holds(child)));
    }
}

#[rstest]
#[tokio::test]
async fn what_other_tags_reach_is_kept(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    // A release of the same list: nothing goes.
    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().tag("1.0.0", &old);
    assert_eq!(outcomes(&fake.superseded(&old).await), "Kept Kept Kept");
    assert_eq!((left(&fake, &old, &children), fake.contents().count("DELETE ")), (vec![true; 3], 0));

    // A list of another user that names one image of it, and a tag on the other one.
    let (fake, old, children) = with_old_latest(kind).await;
    {
        let mut contents = fake.contents();
        let other = contents.image("other");
        let mine = contents.list(&[&other, &children[0]]);
        contents.tag("mine", &mine);
    }
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    assert_eq!(left(&fake, &old, &children), [false, true, false]);

    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().tag("arm64", &children[1]);
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Removed Kept");
    assert_eq!(left(&fake, &old, &children), [false, false, true]);

    // A list in which the old one lies whole.
    let (fake, old, children) = with_old_latest(kind).await;
    {
        let mut contents = fake.contents();
        let outer = contents.list(&[&old]);
        contents.tag("outer", &outer);
    }
    assert_eq!(outcomes(&fake.superseded(&old).await), "Kept Kept Kept");
    assert_eq!(left(&fake, &old, &children), [true, true, true]);
}

#[rstest]
#[tokio::test]
async fn signatures_are_removed_with_their_subject(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    let (gone, kept) = {
        let mut contents = fake.contents();
        contents.tag("1.0.0", &children[0]);
        (contents.sign(&old), contents.sign(&children[0]))
    };
    let report = fake.superseded(&old).await;
    assert_eq!((report.problem, report.warnings), (None, Vec::<String>::new()));
    let contents = fake.contents();
    assert!(!contents.holds(&gone.0) && !contents.holds(&gone.1) && !contents.holds(&old));
    assert!(contents.holds(&kept.0) && contents.holds(&kept.1) && contents.holds(&children[0]));
    let fallbacks = contents.tags.keys().filter(|tag| tag.starts_with("sha256-")).count();
    assert_eq!(fallbacks, 1, "{:?}", contents.tags);
}

#[rstest]
#[tokio::test]
async fn a_tag_pushed_between_scan_and_deletion_survives(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    let shared = children[0].clone();
    fake.contents().before("DELETE ", move |contents| {
        let other = contents.image("other");
        let mine = contents.list(&[&other, &shared]);
        contents.tag("mine", &mine);
    });
    assert_eq!(outcomes(&fake.superseded(&old).await), "Removed Kept Removed");
    assert_eq!(left(&fake, &old, &children), [false, true, false]);
}

#[rstest]
#[tokio::test]
async fn what_is_needed_in_the_moment_of_its_deletion_is_put_back(#[values(GitHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    let shared = children[1].clone();
    {
        let mut contents = fake.contents();
        // The last deletion is that of the second image.
        for deletion in 0..3 {
            let shared = shared.clone();
            contents.before("DELETE ", move |contents| {
                if deletion == 2 {
                    let other = contents.image("other");
                    let mine = contents.list(&[&other, &shared]);
                    contents.tag("mine", &mine);
                }
            });
        }
    }
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), "Removed Removed PutBack");
    assert!(report.warnings[0].contains("mine came to need"), "{:?}", report.warnings);
    assert_eq!(left(&fake, &old, &children), [false, false, true]);
}

#[rstest]
#[tokio::test]
async fn an_unreadable_manifest_keeps_everything(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(500, 404, 200)] status: u16,
) {
    let (fake, old, children) = with_old_latest(kind).await;
    {
        let mut contents = fake.contents();
        let other = contents.image("other");
        let mine = contents.list(&[&other, &children[0]]);
        contents.tag("mine", &mine);
        contents.answer(&format!("GET /v2/acme/hello/manifests/{mine}"), usize::MAX, status, "<html>");
    }
    let report = fake.superseded(&old).await;
    assert!(report.problem.is_some_and(|problem| !problem.denied));
    assert_eq!((left(&fake, &old, &children), fake.contents().count("DELETE ")), (vec![true; 3], 0));
    assert_eq!(report.items, []);
}

/// Docker Hub itself says that it holds nothing of ours.
#[rstest]
#[tokio::test]
async fn a_list_that_cannot_be_parsed_keeps_everything(#[values(GitHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().nonsense("odd");
    let report = fake.superseded(&old).await;
    assert!(report.problem.is_some_and(|problem| problem.causes[0].contains("cannot be read")));
    assert_eq!((left(&fake, &old, &children), fake.contents().count("DELETE ")), (vec![true; 3], 0));
}

#[rstest]
#[tokio::test]
async fn a_scan_that_fails_stops_before_the_next_deletion(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    let listing = match kind {
        GitHub => "GET /orgs/acme/packages/container/hello/versions?",
        DockerHub => "GET /v2/namespaces/",
        _ => "GET /v2/acme/hello/tags/list",
    };
    fake.contents().before("DELETE ", move |contents| contents.answer(listing, usize::MAX, 500, ""));
    let report = fake.superseded(&old).await;
    assert!(report.problem.is_some());
    assert_eq!(outcomes(&report), "Removed Kept Kept");
    assert_eq!(left(&fake, &old, &children), [false, true, true]);
}

#[rstest]
#[tokio::test]
async fn a_missing_permission_is_reported(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().answer("DELETE ", usize::MAX, 403, r#"{"message":"Resource not accessible by integration"}"#);
    let report = fake.superseded(&old).await;
    let problem = report.problem.unwrap();
    let permission = match kind {
        GitHub => "packages: write",
        DockerHub => "Read, Write & Delete",
        _ => "scope `delete`",
    };
    assert!(problem.denied && problem.causes[0].contains(permission), "{problem:?}");
    assert!(problem.causes.iter().any(|cause| cause.contains("403")), "{problem:?}");
    assert_eq!(left(&fake, &old, &children), [true, true, true]);
    // What cannot succeed is not tried again.
    assert_eq!(fake.contents().count("DELETE "), 1);
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_fails_transiently_is_tried_three_times(
    #[values(GitHub, Distribution)] kind: DriverKind,
    #[values(2, 3)] failures: usize,
) {
    let (fake, old, _) = with_old_latest(kind).await;
    fake.contents().answer("DELETE ", failures, 503, "");
    let report = fake.superseded(&old).await;
    assert_eq!(report.problem.is_none(), failures < 3);
    assert_eq!(fake.contents().count("DELETE "), if failures < 3 { 5 } else { 3 });
}

#[rstest]
#[tokio::test]
async fn what_is_gone_already_is_no_error(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    let (list, child) = (old.clone(), children[0].clone());
    fake.contents().before("DELETE ", move |contents| {
        contents.forget(&list);
        contents.forget(&child);
    });
    let report = fake.superseded(&old).await;
    assert_eq!(
        (outcomes(&report).as_str(), report.problem, report.warnings.len()),
        ("Removed Removed Removed", None, 0)
    );
    assert_eq!(left(&fake, &old, &children), [false, false, false]);
}

#[rstest]
#[tokio::test]
async fn a_dry_run_gives_reasons_and_removes_nothing(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (fake, old, children) = with_old_latest(kind).await;
    {
        let mut contents = fake.contents();
        contents.publish("latest", "new");
        contents.tag("mine", &children[1]);
    }
    let task = Task { recorded: vec![old.clone()], dry_run: true, ..Task::default() };
    let report = fake.cleaner().clean(task).await;
    assert_eq!(outcomes(&report), "Planned Planned Kept");
    assert_eq!(report.items[2].because, "mine holds it");
    assert!(report.items[0].because.contains("no tag holds it"));
    assert_eq!((report.count(Outcome::Planned), fake.contents().count("DELETE ")), (2, 0));
    let text = report.text();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("  to remove list ") && text.contains("  └─ kept image "), "{text}");
}

#[rstest]
#[tokio::test]
async fn vacating_removes_latest_alone_or_with_its_list(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(false, true)] released: bool,
) {
    let (fake, old, children) = with_old_latest(kind).await;
    fake.contents().publish("1.0.0", "release");
    if released {
        fake.contents().tag("2.0.0", &old);
    }
    let manifest = fake.contents().manifest(&old);
    fake.cleaner().vacate(&Tag::latest(), &manifest).await.unwrap();
    let contents = fake.contents();
    // Docker Hub deletes tags apart; elsewhere a list that others hold stays, and the tag with it until it is moved.
    assert_eq!(contents.tags.contains_key("latest"), released && kind != DockerHub);
    assert_eq!(contents.holds(&old), released || kind == DockerHub);
    assert!(children.iter().all(|child| contents.holds(child)), "an image went before the tag was set again");
}

/// The tag that this run moved itself is no exception: another run may move it, too.
#[rstest]
#[case::back_to_the_old_list(true)]
#[case::to_a_list_that_shares_an_image(false)]
#[tokio::test]
async fn latest_moved_by_another_run_meanwhile_loses_nothing(
    #[case] back: bool,
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (fake, old, children) = with_old_latest(kind).await;
    let listing = match kind {
        GitHub => "GET /orgs/acme/packages/container/hello/versions?",
        DockerHub => "GET /v2/namespaces/",
        _ => "GET /v2/acme/hello/tags/list",
    };
    let (list, shared) = (old.clone(), children[0].clone());
    fake.contents().before(listing, move |contents| {
        let other = contents.image("other");
        let newer = if back { list } else { contents.list(&[&other, &shared]) };
        contents.tag("latest", &newer);
    });
    let report = fake.superseded(&old).await;
    assert_eq!(outcomes(&report), if back { "Kept Kept Kept" } else { "Removed Kept Removed" });
    let contents = fake.contents();
    assert!(contents.children(&contents.tags["latest"]).iter().all(|child| contents.holds(child)));
}
