//! What holds on every kind of registry, whatever its interface.

use rstest::rstest;

use super::ground::{Ground, fates};
use crate::{
    clean::{Outcome, Task},
    config::DriverKind::{self, Distribution, DockerHub, GitHub},
    oci::{Digest, Tag},
};

/// What is left of a list and what it names.
fn left(ground: &Ground, list: &Digest, children: &[Digest]) -> Vec<bool> {
    let contents = ground.contents();
    std::iter::once(list).chain(children).map(|digest| contents.holds(digest)).collect()
}

/// A repository with an old `latest`.
async fn ground(kind: DriverKind) -> (Ground, Digest, Vec<Digest>) {
    let ground = Ground::start(kind).await;
    let old = ground.contents().publish("latest", "old");
    let children = ground.contents().children(&old);
    (ground, old, children)
}

#[rstest]
#[tokio::test]
async fn what_latest_alone_held_goes_list_first(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    ground.contents().publish("1.0.0", "release");
    let report = ground.superseded(&old).await;
    assert_eq!((fates(&report).as_str(), report.problem, report.warnings.len()), ("Removed Removed Removed", None, 0));
    assert_eq!(left(&ground, &old, &children), [false, false, false]);
    let contents = ground.contents();
    assert_eq!(contents.tags.keys().collect::<Vec<_>>(), ["1.0.0", "latest"]);
    assert_eq!(contents.count("DELETE "), 3);
    for tag in contents.tags.values() {
        assert!(contents.children(tag).iter().all(|child| contents.holds(child)));
    }
}

#[rstest]
#[tokio::test]
async fn what_others_hold_stays(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    // A release of the same list: nothing goes.
    let (ground, old, children) = ground(kind).await;
    ground.contents().tag("1.0.0", &old);
    assert_eq!(fates(&ground.superseded(&old).await), "Kept Kept Kept");
    assert_eq!((left(&ground, &old, &children), ground.contents().count("DELETE ")), (vec![true; 3], 0));

    // A list of somebody's own that names one image of it, and a tag on the other one.
    let (ground, old, children) = self::ground(kind).await;
    {
        let mut contents = ground.contents();
        let other = contents.image("other");
        let mine = contents.list(&[&other, &children[0]]);
        contents.tag("mine", &mine);
    }
    assert_eq!(fates(&ground.superseded(&old).await), "Removed Kept Removed");
    assert_eq!(left(&ground, &old, &children), [false, true, false]);

    let (ground, old, children) = self::ground(kind).await;
    ground.contents().tag("arm64", &children[1]);
    assert_eq!(fates(&ground.superseded(&old).await), "Removed Removed Kept");
    assert_eq!(left(&ground, &old, &children), [false, false, true]);

    // A list in which the old one lies whole.
    let (ground, old, children) = self::ground(kind).await;
    {
        let mut contents = ground.contents();
        let outer = contents.list(&[&old]);
        contents.tag("outer", &outer);
    }
    assert_eq!(fates(&ground.superseded(&old).await), "Kept Kept Kept");
    assert_eq!(left(&ground, &old, &children), [true, true, true]);
}

#[rstest]
#[tokio::test]
async fn signatures_go_with_what_they_sign(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    let (gone, kept) = {
        let mut contents = ground.contents();
        contents.tag("1.0.0", &children[0]);
        (contents.sign(&old), contents.sign(&children[0]))
    };
    let report = ground.superseded(&old).await;
    assert_eq!((report.problem, report.warnings), (None, Vec::<String>::new()));
    let contents = ground.contents();
    assert!(!contents.holds(&gone.0) && !contents.holds(&gone.1) && !contents.holds(&old));
    assert!(contents.holds(&kept.0) && contents.holds(&kept.1) && contents.holds(&children[0]));
    let fallbacks = contents.tags.keys().filter(|tag| tag.starts_with("sha256-")).count();
    assert_eq!(fallbacks, 1, "{:?}", contents.tags);
}

#[rstest]
#[tokio::test]
async fn a_tag_that_somebody_pushes_between_look_and_deletion_survives(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (ground, old, children) = ground(kind).await;
    let shared = children[0].clone();
    ground.contents().before("DELETE ", move |contents| {
        let other = contents.image("other");
        let mine = contents.list(&[&other, &shared]);
        contents.tag("mine", &mine);
    });
    assert_eq!(fates(&ground.superseded(&old).await), "Removed Kept Removed");
    assert_eq!(left(&ground, &old, &children), [false, true, false]);
}

#[rstest]
#[tokio::test]
async fn what_is_needed_in_the_very_moment_of_its_deletion_is_put_back(
    #[values(GitHub, Distribution)] kind: DriverKind,
) {
    let (ground, old, children) = ground(kind).await;
    let shared = children[1].clone();
    {
        let mut contents = ground.contents();
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
    let report = ground.superseded(&old).await;
    assert_eq!(fates(&report), "Removed Removed PutBack");
    assert!(report.warnings[0].contains("mine came to need"), "{:?}", report.warnings);
    assert_eq!(left(&ground, &old, &children), [false, false, true]);
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_read_forbids_everything(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(500, 404, 200)] status: u16,
) {
    let (ground, old, children) = ground(kind).await;
    {
        let mut contents = ground.contents();
        let other = contents.image("other");
        let mine = contents.list(&[&other, &children[0]]);
        contents.tag("mine", &mine);
        contents.answer(&format!("GET /v2/acme/hello/manifests/{mine}"), usize::MAX, status, "<html>");
    }
    let report = ground.superseded(&old).await;
    assert!(report.problem.is_some_and(|problem| !problem.denied));
    assert_eq!((left(&ground, &old, &children), ground.contents().count("DELETE ")), (vec![true; 3], 0));
    assert_eq!(report.items, []);
}

/// Docker Hub itself says that it holds nothing of ours.
#[rstest]
#[tokio::test]
async fn a_list_that_makes_no_sense_may_hold_anything(#[values(GitHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    ground.contents().nonsense("odd");
    let report = ground.superseded(&old).await;
    assert!(report.problem.is_some_and(|problem| problem.causes[0].contains("cannot be read")));
    assert_eq!((left(&ground, &old, &children), ground.contents().count("DELETE ")), (vec![true; 3], 0));
}

#[rstest]
#[tokio::test]
async fn a_look_that_fails_stops_it_before_the_next_deletion(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (ground, old, children) = ground(kind).await;
    let look = match kind {
        GitHub => "GET /orgs/acme/packages/container/hello/versions?",
        DockerHub => "GET /v2/namespaces/",
        _ => "GET /v2/acme/hello/tags/list",
    };
    ground.contents().before("DELETE ", move |contents| contents.answer(look, usize::MAX, 500, ""));
    let report = ground.superseded(&old).await;
    assert!(report.problem.is_some());
    assert_eq!(fates(&report), "Removed Kept Kept");
    assert_eq!(left(&ground, &old, &children), [false, true, true]);
}

#[rstest]
#[tokio::test]
async fn who_may_not_is_told_which_permission_is_missing(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    ground.contents().answer("DELETE ", usize::MAX, 403, r#"{"message":"Resource not accessible by integration"}"#);
    let report = ground.superseded(&old).await;
    let problem = report.problem.unwrap();
    let permission = match kind {
        GitHub => "packages: write",
        DockerHub => "Read, Write & Delete",
        _ => "scope `delete`",
    };
    assert!(problem.denied && problem.causes[0].contains(permission), "{problem:?}");
    assert!(problem.causes.iter().any(|cause| cause.contains("403")), "{problem:?}");
    assert_eq!(left(&ground, &old, &children), [true, true, true]);
    // What cannot succeed is not tried again.
    assert_eq!(ground.contents().count("DELETE "), 1);
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_fails_in_passing_is_tried_three_times(
    #[values(GitHub, Distribution)] kind: DriverKind,
    #[values(2, 3)] failures: usize,
) {
    let (ground, old, _) = ground(kind).await;
    ground.contents().answer("DELETE ", failures, 503, "");
    let report = ground.superseded(&old).await;
    assert_eq!(report.problem.is_none(), failures < 3);
    assert_eq!(ground.contents().count("DELETE "), if failures < 3 { 5 } else { 3 });
}

#[rstest]
#[tokio::test]
async fn what_is_gone_already_is_no_trouble(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    let (list, child) = (old.clone(), children[0].clone());
    ground.contents().before("DELETE ", move |contents| {
        contents.forget(&list);
        contents.forget(&child);
    });
    let report = ground.superseded(&old).await;
    assert_eq!((fates(&report).as_str(), report.problem, report.warnings.len()), ("Removed Removed Removed", None, 0));
    assert_eq!(left(&ground, &old, &children), [false, false, false]);
}

#[rstest]
#[tokio::test]
async fn a_dry_run_says_why_and_does_nothing(#[values(GitHub, DockerHub, Distribution)] kind: DriverKind) {
    let (ground, old, children) = ground(kind).await;
    {
        let mut contents = ground.contents();
        contents.publish("latest", "new");
        contents.tag("mine", &children[1]);
    }
    let task = Task { recorded: vec![old.clone()], dry_run: true, ..Task::default() };
    let report = ground.cleaner().clean(task).await;
    assert_eq!(fates(&report), "Planned Planned Kept");
    assert_eq!(report.items[2].because, "mine holds it");
    assert!(report.items[0].because.contains("no tag holds it"));
    assert_eq!((report.count(Outcome::Planned), ground.contents().count("DELETE ")), (2, 0));
    let text = report.text();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("  remove list ") && text.contains("  └─ keep image "), "{text}");
}

#[rstest]
#[tokio::test]
async fn taken_away_first_latest_goes_alone_or_with_what_it_alone_holds(
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
    #[values(false, true)] released: bool,
) {
    let (ground, old, children) = ground(kind).await;
    ground.contents().publish("1.0.0", "release");
    if released {
        ground.contents().tag("2.0.0", &old);
    }
    let manifest = ground.contents().manifest(&old);
    ground.cleaner().vacate(&Tag::latest(), &manifest).await.unwrap();
    let contents = ground.contents();
    // Docker Hub deletes tags apart; elsewhere a list that others hold stays, and the tag with it until it is moved.
    assert_eq!(contents.tags.contains_key("latest"), released && kind != DockerHub);
    assert_eq!(contents.holds(&old), released || kind == DockerHub);
    assert!(children.iter().all(|child| contents.holds(child)), "an image went before the tag was set again");
}

/// The tag that this run moved itself is no exception: somebody may move it, too.
#[rstest]
#[case::back_to_the_old_list(true)]
#[case::to_a_list_that_shares_an_image(false)]
#[tokio::test]
async fn latest_that_somebody_moves_meanwhile_loses_nothing(
    #[case] back: bool,
    #[values(GitHub, DockerHub, Distribution)] kind: DriverKind,
) {
    let (ground, old, children) = ground(kind).await;
    let look = match kind {
        GitHub => "GET /orgs/acme/packages/container/hello/versions?",
        DockerHub => "GET /v2/namespaces/",
        _ => "GET /v2/acme/hello/tags/list",
    };
    let (list, shared) = (old.clone(), children[0].clone());
    ground.contents().before(look, move |contents| {
        let other = contents.image("other");
        let newer = if back { list } else { contents.list(&[&other, &shared]) };
        contents.tag("latest", &newer);
    });
    let report = ground.superseded(&old).await;
    assert_eq!(fates(&report), if back { "Kept Kept Kept" } else { "Removed Kept Removed" });
    let contents = ground.contents();
    assert!(contents.children(&contents.tags["latest"]).iter().all(|child| contents.holds(child)));
}
