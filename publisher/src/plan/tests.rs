//! Every event that is accepted or refused, by exact tag or text, and what holds for all of them.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::{Kind, MAIN_BRANCH, Plan, Trigger, plan};
use crate::{
    exit::{Exit, Failure},
    oci::Platform,
};

const SHA: &str = "0123456789ABCDEF0123456789abcdef01234567";

fn platforms() -> Vec<Platform> {
    ["linux/amd64", "linux/arm64", "linux/arm/v7"].map(|text| text.parse().unwrap()).to_vec()
}

fn event(name: &str, reference: &str) -> Trigger {
    Trigger {
        event: name.into(),
        reference: reference.into(),
        sha: SHA.into(),
        tag_name: None,
        platforms: None,
        skip_push: None,
        main_branch: MAIN_BRANCH.into(),
    }
}

fn manual(tag_name: &str) -> Trigger {
    Trigger { tag_name: Some(tag_name.into()), ..event("workflow_dispatch", "refs/heads/topic") }
}

fn decide(trigger: &Trigger) -> Result<Plan, Failure> {
    plan(trigger, &platforms())
}

#[rstest]
#[case("refs/heads/main", "latest", "latest")]
#[case("refs/tags/v1.2.3", "1.2.3", "release")]
#[case("refs/tags/v0.0.0", "0.0.0", "release")]
#[case("refs/tags/v10.20.30", "10.20.30", "release")]
#[case("refs/tags/v1.0.0", "1.0.0", "release")]
#[case("refs/tags/v18446744073709551615.0.0", "18446744073709551615.0.0", "release")]
#[case("refs/tags/v2025.11.5", "2025.11.5", "release")]
fn a_push_becomes_its_tag(#[case] reference: &str, #[case] tag: &str, #[case] kind: &str) {
    let plan = decide(&event("push", reference)).unwrap();
    assert_eq!((plan.tag.as_str(), json!(plan.kind), plan.push), (tag, json!(kind), true));
    assert_eq!((plan.platforms.clone(), plan.commit.as_str()), (platforms(), SHA.to_lowercase().as_str()));
    assert_eq!(plan.floating(), tag == "latest");
}

#[rstest]
#[case("v1.2")]
#[case("v1")]
#[case("v")]
#[case("")]
#[case("1.2.3")]
#[case("V1.2.3")]
#[case("vv1.2.3")]
#[case("v1.2.3.4")]
#[case("v01.2.3")]
#[case("v1.02.3")]
#[case("v1.2.03")]
#[case("v00.0.0")]
#[case("v1.2.3-rc.1")]
#[case("v1.2.3-")]
#[case("v1.2.3+build")]
#[case("v1.2.3+")]
#[case("v1.2.3-rc.1+build.5")]
#[case("v-1.2.3")]
#[case("v+1.2.3")]
#[case("v1.-2.3")]
#[case("v1..3")]
#[case("v.1.2")]
#[case("v1.2.")]
#[case("v 1.2.3")]
#[case("v1.2.3 ")]
#[case("v1.2.3\n")]
#[case("v1.2.x")]
#[case("v1.2.*")]
#[case("v1,2,3")]
#[case("v1.2.3/v1.2.4")]
#[case("x/v1.2.3")]
#[case("version-1.2.3")]
#[case("latest")]
#[case("v18446744073709551616.0.0")]
#[case("v1.2.99999999999999999999999999")]
#[case("v0x1.2.3")]
#[case("v1e3.2.3")]
#[case("v١.٢.٣")]
#[case("v１.2.3")]
fn any_other_git_tag_is_refused_by_name_with_the_form_that_is_expected(#[case] tag: &str) {
    let failure = decide(&event("push", &format!("refs/tags/{tag}"))).unwrap_err();
    let expected = format!("tag `{tag}` is not a release version, expected v<major>.<minor>.<patch> such as v1.2.0");
    assert_eq!((failure.exit, failure.message, failure.hint.is_some()), (Exit::InvalidTag, expected, true));
}

#[rstest]
#[case("push", "refs/heads/topic", "branch `topic` is not published, only `main` is")]
#[case("push", "refs/heads/Main", "branch `Main` is not published, only `main` is")]
#[case("push", "refs/heads/main/x", "branch `main/x` is not published, only `main` is")]
#[case("push", "refs/heads/v1.2.3", "branch `v1.2.3` is not published, only `main` is")]
#[case("push", "refs/heads/", "branch `` is not published, only `main` is")]
#[case("push", "refs/pull/1/merge", "`refs/pull/1/merge` is neither a branch nor a tag")]
#[case("push", "main", "`main` is neither a branch nor a tag")]
#[case("push", "v1.2.3", "`v1.2.3` is neither a branch nor a tag")]
#[case("push", "", "`` is neither a branch nor a tag")]
#[case("pull_request", "refs/pull/a b/merge", "`refs/pull/a b/merge` is neither a branch nor a tag")]
#[case("pull_request_target", "refs/heads/main", "the event `pull_request_target` does not publish")]
#[case("release", "refs/tags/v1.2.3", "the event `release` does not publish")]
#[case("schedule", "refs/heads/main", "the event `schedule` does not publish")]
#[case("merge_group", "refs/heads/main", "the event `merge_group` does not publish")]
#[case("workflow_run", "refs/heads/main", "the event `workflow_run` does not publish")]
#[case("Push", "refs/heads/main", "the event `Push` does not publish")]
#[case("", "refs/heads/main", "the event `` does not publish")]
fn what_publishes_nothing_is_refused_with_a_hint(#[case] name: &str, #[case] reference: &str, #[case] text: &str) {
    let failure = decide(&event(name, reference)).unwrap_err();
    assert_eq!((failure.exit, failure.message.as_str(), failure.hint.is_some()), (Exit::Failed, text, true));
}

#[rstest]
#[case("refs/pull/12/merge", "pull-12")]
#[case("", "pull-0123456")]
fn a_pull_request_is_built_for_all_platforms_and_published_nowhere(#[case] reference: &str, #[case] tag: &str) {
    let skip_push = [None, Some("false".into()), Some("true".into())];
    for skip_push in skip_push {
        let plan = decide(&Trigger { skip_push, ..event("pull_request", reference) }).unwrap();
        assert_eq!((plan.tag.as_str(), plan.kind), (tag, Kind::PullRequest));
        assert_eq!((plan.push, plan.floating(), &plan.platforms), (false, false, &platforms()));
    }
    let tag_name = Some("latest".into());
    assert!(decide(&Trigger { tag_name, ..event("pull_request", reference) }).is_err());
}

#[rstest]
#[case("try")]
#[case("test-1.2.3")]
#[case("1.2")]
#[case("v1")]
#[case("v1.2")]
#[case("1.2.3-rc.1")]
#[case("v1.2.3-rc.1")]
#[case("01.2.3")]
#[case("Latest")]
#[case("latest-2")]
#[case("_")]
#[case("manual-0123456")]
#[case("99999999999999999999.0.0")]
fn a_manual_build_is_published_under_the_name_it_is_given(#[case] name: &str) {
    let plan = decide(&manual(name)).unwrap();
    assert_eq!((plan.tag.as_str(), &plan.kind, plan.floating()), (name, &Kind::Manual, false));
}

#[rstest]
#[case("refs/heads/main")]
#[case("refs/heads/topic")]
#[case("refs/tags/v1.2.3")]
#[case("refs/tags/v1.2")]
#[case("")]
fn a_manual_build_without_a_name_is_named_after_its_commit(#[case] reference: &str) {
    let plan = decide(&event("workflow_dispatch", reference)).unwrap();
    assert_eq!((plan.tag.as_str(), &plan.kind), ("manual-0123456", &Kind::Manual));
    assert_eq!((plan.floating(), plan.platforms), (false, platforms()));
}

#[rstest]
#[case("latest")]
#[case("1.2.3")]
#[case("0.0.0")]
#[case("v1.2.3")]
#[case("v0.1.0")]
fn a_manual_build_may_not_take_the_tag_of_another_kind_of_build(#[case] name: &str) {
    let failure = decide(&manual(name)).unwrap_err();
    let expected = format!("the input `tag_name` is `{name}`, which a manual build may not use");
    assert_eq!((failure.exit, failure.message, failure.hint.is_some()), (Exit::InvalidTag, expected, true));
}

#[rstest]
#[case("a b")]
#[case("a/b")]
#[case("a:b")]
#[case(".a")]
#[case("-a")]
#[case("1.2.3+build")]
#[case("tag\nname=x")]
#[case("ä")]
#[case("$(id)")]
#[case("a@sha256")]
fn a_manual_tag_outside_the_grammar_is_refused(#[case] name: &str) {
    let failure = decide(&manual(name)).unwrap_err();
    let expected = format!(
        "the input `tag_name` is not acceptable: `{name}` is not a tag, expected 1 to 128 characters, each a letter, \
         a digit, `_`, `.` or `-`, not starting with `.` or `-`"
    );
    assert_eq!((failure.exit, failure.message), (Exit::InvalidTag, expected));
}

#[test]
fn the_longest_manual_tag_has_128_characters() {
    assert!(decide(&manual(&"a".repeat(128))).is_ok());
    assert_eq!(decide(&manual(&"a".repeat(129))).unwrap_err().exit, Exit::InvalidTag);
}

#[rstest]
#[case("linux/arm64", &["linux/arm64"])]
#[case("linux/arm64,linux/amd64", &["linux/amd64", "linux/arm64"])]
#[case(" linux/arm64 , linux/arm/v7 ", &["linux/arm64", "linux/arm/v7"])]
#[case("linux/arm64/v8", &["linux/arm64"])]
fn a_manual_build_may_choose_among_the_platforms_and_keeps_their_order(#[case] input: &str, #[case] built: &[&str]) {
    let mut event = manual("try");
    event.platforms = Some(input.into());
    let shown: Vec<_> = decide(&event).unwrap().platforms.iter().map(ToString::to_string).collect();
    assert_eq!(shown, built);
}

#[rstest]
#[case(
    "linux/s390x",
    "the input `platforms` names linux/s390x, which is not configured; configured are linux/amd64, linux/arm64, linux/arm/v7"
)]
#[case("linux/amd64,linux/arm64,linux/amd64", "the input `platforms` names linux/amd64 twice")]
#[case("linux/arm64,linux/arm64/v8", "the input `platforms` names linux/arm64 twice")]
#[case(
    "amd64",
    "the input `platforms` is not acceptable: `amd64` is not a platform, expected os/architecture such as linux/amd64 or linux/arm64"
)]
#[case(
    "linux/amd64,",
    "the input `platforms` is not acceptable: `` is not a platform, expected os/architecture such as linux/amd64 or linux/arm64"
)]
fn a_choice_of_platforms_that_means_nothing_is_refused(#[case] input: &str, #[case] text: &str) {
    let mut event = manual("try");
    event.platforms = Some(input.into());
    let failure = decide(&event).unwrap_err();
    assert_eq!((failure.exit, failure.message.as_str()), (Exit::Failed, text));
}

#[rstest]
#[case(None, true)]
#[case(Some(""), true)]
#[case(Some("false"), true)]
#[case(Some("true"), false)]
fn a_build_that_skips_the_push_publishes_nothing(#[case] skip_push: Option<&str>, #[case] push: bool) {
    for mut event in [manual("try"), event("push", "refs/heads/main"), event("push", "refs/tags/v1.2.3")] {
        event.skip_push = skip_push.map(Into::into);
        assert_eq!(decide(&event).unwrap().push, push);
    }
}

#[rstest]
#[case("yes")]
#[case("True")]
#[case("1")]
fn a_skip_push_that_is_neither_true_nor_false_is_refused(#[case] input: &str) {
    let mut event = manual("try");
    event.skip_push = Some(input.into());
    let text = format!("the input `skip_push` is `{input}`, expected true or false");
    assert_eq!(decide(&event).unwrap_err().to_string(), text);
}

#[test]
fn a_push_takes_no_inputs_of_manual_builds() {
    for reference in ["refs/heads/main", "refs/tags/v1.2.3"] {
        let named = Trigger { tag_name: Some("try".into()), ..event("push", reference) };
        let text = "the input `tag_name` is for manual builds, the event is `push`";
        assert_eq!(decide(&named).unwrap_err().to_string(), text);
        let mut narrowed = event("push", reference);
        narrowed.platforms = Some("linux/amd64".into());
        let text = "the input `platforms` is for manual builds, the event is `push`";
        assert_eq!(decide(&narrowed).unwrap_err().to_string(), text);
    }
}

#[rstest]
#[case("")]
#[case("0123456")]
#[case("HEAD")]
#[case("0123456789abcdef0123456789abcdef0123456g")]
#[case("0123456789abcdef0123456789abcdef012345678")]
fn a_commit_has_40_or_64_hexadecimal_digits(#[case] sha: &str) {
    let refused = Trigger { sha: sha.into(), ..event("push", "refs/heads/main") };
    let text = format!("`{sha}` is not a commit, expected 40 or 64 hexadecimal digits");
    assert_eq!(decide(&refused).unwrap_err().to_string(), text);
    let accepted = Trigger { sha: "a".repeat(64), ..event("push", "refs/heads/main") };
    assert_eq!(decide(&accepted).unwrap().commit, "a".repeat(64));
}

#[test]
fn the_tag_is_judged_before_the_commit() {
    let event = Trigger { sha: String::new(), ..event("push", "refs/tags/v1.2") };
    assert_eq!(decide(&event).unwrap_err().exit, Exit::InvalidTag);
}

#[test]
fn the_main_branch_may_have_another_name() {
    let of = |branch: &str| Trigger { main_branch: "trunk".into(), ..event("push", &format!("refs/heads/{branch}")) };
    assert_eq!(decide(&of("trunk")).unwrap().tag.as_str(), "latest");
    assert_eq!(decide(&of("main")).unwrap_err().to_string(), "branch `main` is not published, only `trunk` is");
}

/// The grammar of the distribution specification once more, so as not to trust the type that is under test.
fn fits_the_grammar(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut characters = tag.chars();
    tag.len() <= 128 && characters.next().is_some_and(word) && characters.all(|c| word(c) || c == '.' || c == '-')
}

fn looks_like_a_release(tag: &str) -> bool {
    let parts: Vec<&str> = tag.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn any_event() -> impl Strategy<Value = Trigger> {
    let text = || prop_oneof!["v?[0-9]{1,3}(\\.[0-9]{1,2}){0,3}(-[a-z]{1,3})?", "[a-zA-Z0-9._-]{0,8}", any::<String>()];
    let name = prop_oneof![
        4 => Just("push".to_owned()), 4 => Just("workflow_dispatch".to_owned()), 1 => any::<String>()
    ];
    let reference = prop_oneof![
        4 => text().prop_map(|tag| format!("refs/tags/{tag}")),
        1 => Just("refs/heads/main".to_owned()),
        1 => text().prop_map(|branch| format!("refs/heads/{branch}")),
        1 => any::<String>(),
    ];
    let sha = prop_oneof![4 => "[0-9a-fA-F]{40}", 1 => "[0-9a-f]{64}", 1 => any::<String>()];
    let skip_push = proptest::option::of(prop_oneof!["true|false|", any::<String>()]);
    let platforms = proptest::option::of(prop_oneof!["linux/amd64|linux/arm64,linux/amd64", any::<String>()]);
    (name, reference, sha, proptest::option::of(text()), platforms, skip_push).prop_map(
        |(name, reference, sha, tag_name, platforms, skip_push)| {
            let main_branch = MAIN_BRANCH.into();
            Trigger { event: name, reference, sha, tag_name, platforms, skip_push, main_branch }
        },
    )
}

proptest! {
    #[test]
    fn no_accepted_event_yields_a_tag_outside_the_grammar_or_of_another_kind(event in any_event()) {
        if let Ok(plan) = decide(&event) {
            let tag = plan.tag.as_str();
            prop_assert!(fits_the_grammar(tag), "{tag}");
            prop_assert_eq!(tag == "latest", plan.kind == Kind::Latest);
            if plan.kind == Kind::Release {
                prop_assert_eq!(format!("refs/tags/v{tag}"), event.reference);
            } else if looks_like_a_release(tag) {
                // Only what no release can be called: a leading zero, or a number beyond 64 bits.
                let zero = tag.split('.').any(|part| part.len() > 1 && part.starts_with('0'));
                let huge = tag.split('.').any(|part| part.parse::<u64>().is_err());
                prop_assert!(zero || huge, "{tag}");
            }
            prop_assert!(!plan.platforms.is_empty());
        }
    }
}
