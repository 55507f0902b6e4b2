//! Histories that are right, and those that are tried too often.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{history::Kind, oracle::testing::Script};

const MAX: usize = 3;
const A: &str = "sha256:a";
const B: &str = "sha256:b";

/// A script of manifest PUTs with these answers, one after the other.
fn puts(statuses: &[u16]) -> Script {
    let mut script = Script::default();
    for status in statuses {
        script.put("ghcr", "latest", A, *status).wait(100);
    }
    script
}

#[rstest]
#[case::at_once(&[201], 0)]
#[case::at_last(&[503, 0, 201], 0)]
#[case::given_up(&[500, 429, 502], 0)]
#[case::fourth_time(&[503, 503, 503, 201], 1)]
#[case::five_times(&[0, 0, 0, 0, 0], 1)]
#[case::anew_after_success(&[503, 503, 201, 503, 503, 201], 0)]
#[case::token_expired(&[401, 503, 401, 503, 401, 201], 0)]
fn manifests(#[case] statuses: &[u16], #[case] violations: usize) {
    let found = attempts(&puts(statuses).history, MAX);
    assert_eq!(found.len(), violations, "{found:?}");
}

#[rstest]
#[case::at_last(&[503, 0, 200], 0)]
#[case::fourth_time(&[503, 503, 503, 200], 1)]
#[case::asked_often(&[200, 404, 200, 404, 200], 0)]
fn reads(#[case] statuses: &[u16], #[case] violations: usize) {
    let mut script = Script::default();
    for status in statuses {
        script.ask("ghcr", Kind::ManifestGet, "latest", *status).wait(100);
    }
    let found = attempts(&script.history, MAX);
    assert_eq!(found.len(), violations, "{found:?}");
    assert_eq!(permanent_errors(&script.history), []);
}

#[test]
fn all_tries_are_shown() {
    let found = attempts(&puts(&[503, 503, 401, 503, 503]).history, MAX);
    assert_eq!(found[0].expected, "ghcr: the manifest latest of acme/hello is tried 3 times at most");
    assert_eq!((found[0].seen.as_str(), &*found[0].exchanges), ("4 times", [0, 1, 3, 4].as_slice()));
}

#[test]
fn requests_without_a_token_are_no_tries() {
    let mut script = Script::default();
    for status in [503, 503, 201] {
        script.put("ghcr", "latest", A, 401).anonymous().put("ghcr", "latest", A, status);
    }
    assert_eq!(attempts(&script.history, MAX), []);
    assert_eq!(permanent_errors(&script.history), []);
}

#[test]
fn other_servers_references_and_bytes_are_other_operations() {
    let mut script = Script::default();
    for (server, reference, digest) in
        [("ghcr", "latest", A), ("ghcr", "latest", B), ("dockerhub", "latest", A), ("ghcr", A, A)]
    {
        for _ in 0..MAX {
            script.put(server, reference, digest, 503);
        }
    }
    assert_eq!(attempts(&script.history, MAX), []);
}

/// Each failed try of an upload ends at another step.
#[rstest]
#[case::three(&["begin", "append", "finish"], 0)]
#[case::four(&["begin", "append", "finish", "begin"], 1)]
#[case::four_in_the_middle(&["append", "append", "append", "append"], 1)]
fn steps_of_one_upload_are_one_try(#[case] fails: &[&str], #[case] violations: usize) {
    let mut script = Script::default();
    for (number, fails) in fails.iter().enumerate() {
        let upload = number.to_string();
        script.wait(100).ask("ghcr", Kind::BlobHead, A, 404);
        if *fails == "begin" {
            script.step(Kind::UploadBegin, "", "", 503);
            continue;
        }
        script.step(Kind::UploadBegin, &upload, "", 202);
        if *fails == "append" {
            script.step(Kind::UploadAppend, &upload, "", 0);
            continue;
        }
        script.step(Kind::UploadAppend, &upload, "", 202).step(Kind::UploadFinish, &upload, A, 500);
    }
    let found = attempts(&script.history, MAX);
    assert_eq!(found.len(), violations, "{found:?}");
}

#[test]
fn an_upload_that_goes_on_where_it_broke_is_the_same() {
    let mut script = Script::default();
    script.step(Kind::UploadBegin, "1", "", 202);
    for _ in 0..4 {
        script.step(Kind::UploadAppend, "1", "", 0).wait(100).step(Kind::UploadStatus, "1", "", 204);
    }
    let found = attempts(&script.history, MAX);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[rstest]
#[case::asks_before_each_try(true, 3, 0)]
#[case::asks_before_each_of_four(true, 4, 2)]
#[case::asks_once(false, 3, 0)]
#[case::asks_once_for_four(false, 4, 2)]
fn refused_uploads_are_told_apart_by_what_was_asked_for(
    #[case] each: bool,
    #[case] times: usize,
    #[case] violations: usize,
) {
    let mut script = Script::default();
    for time in 0..times {
        script.wait(100 << time);
        if each || time == 0 {
            script.ask("ghcr", Kind::BlobHead, A, 404).ask("ghcr", Kind::BlobHead, B, 404);
        }
        script.step(Kind::UploadBegin, "", "", 503).step(Kind::UploadBegin, "", "", 503);
    }
    let found = attempts(&script.history, MAX);
    assert_eq!(found.len(), violations, "{found:?}");
    assert!(found.iter().all(|violation| violation.exchanges.len() == times));
}

#[test]
fn what_runs_side_by_side_is_not_added_up() {
    let mut script = Script::default();
    for _ in 0..2 * MAX {
        script.put("ghcr", A, A, 503).took(50);
    }
    assert_eq!(attempts(&script.history, MAX), []);
}

#[test]
fn a_mount_that_is_denied_is_no_try_of_the_upload() {
    let mut script = Script::default();
    script.step(Kind::UploadMount, "", A, 403);
    for number in ["1", "2", "3"] {
        script.step(Kind::UploadBegin, number, "", 202).step(Kind::UploadAppend, number, "", 202);
        script.step(Kind::UploadFinish, number, A, if number == "3" { 201 } else { 500 }).wait(100);
    }
    assert_eq!((attempts(&script.history, MAX), permanent_errors(&script.history)), (vec![], vec![]));
}

#[test]
fn a_mount_that_becomes_an_upload_is_a_try_of_it() {
    let mut script = Script::default();
    for number in ["1", "2", "3", "4"] {
        script.step(Kind::UploadMount, number, A, 202).step(Kind::UploadAppend, number, "", 500).wait(100);
    }
    assert_eq!(attempts(&script.history, MAX).len(), 1);
}

#[rstest]
#[case::denied(Kind::ManifestPut, &[403, 403], 1)]
#[case::denied_once(Kind::ManifestPut, &[403], 0)]
#[case::invalid(Kind::ManifestPut, &[400, 201], 1)]
#[case::no_such_repository(Kind::ManifestPut, &[404, 404], 1)]
#[case::fresh_token_refused(Kind::ManifestPut, &[401, 401], 0)]
#[case::fresh_token_refused_again(Kind::ManifestPut, &[401, 401, 401], 1)]
#[case::token_expires_now_and_then(Kind::ManifestPut, &[401, 201, 401, 201], 0)]
#[case::passing_first(Kind::ManifestPut, &[503, 403, 403], 1)]
#[case::passing(Kind::ManifestPut, &[503, 503, 503], 0)]
#[case::wrong_password(Kind::Token, &[401, 401], 1)]
#[case::deletion_not_supported(Kind::ManifestDelete, &[405, 405], 1)]
#[case::deletion_of_what_is_gone(Kind::PackageVersionDelete, &[404, 404], 0)]
#[case::deletion_refused_until_the_list_is_gone(Kind::ManifestDelete, &[403, 202], 0)]
#[case::deletion_denied(Kind::HubTagDelete, &[403, 403, 403], 1)]
#[case::upload_that_got_lost(Kind::UploadFinish, &[404, 201], 0)]
#[case::upload_denied(Kind::UploadWhole, &[403, 403], 1)]
fn what_cannot_succeed(#[case] kind: Kind, #[case] statuses: &[u16], #[case] violations: usize) {
    let mut script = Script::default();
    for status in statuses {
        script.ask("ghcr", kind, A, *status).wait(100);
    }
    let found = permanent_errors(&script.history);
    assert_eq!(found.len(), violations, "{found:?}");
}

#[rstest]
#[case("retry-after", "1")]
#[case("x-ratelimit-remaining", "0")]
fn a_rate_limit_may_be_told_by_403(#[case] header: &str, #[case] value: &str) {
    let mut script = Script::default();
    script.put("ghcr", A, A, 403).header(header, value).wait(1_000).put("ghcr", A, A, 201);
    assert_eq!(permanent_errors(&script.history), []);
}

#[test]
fn a_client_that_asks_for_no_blob_is_not_judged_by_refused_posts() {
    let mut script = Script::default();
    for _ in 0..10 {
        script.step(Kind::UploadBegin, "", "", 503);
    }
    assert_eq!(attempts(&script.history, MAX), []);
}

/// Blobs: when each begins, how often it is tried, and how much longer than a doubled 100 ms its waits are.
type Blobs = Vec<(u64, usize, u64)>;

fn blobs(tries: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Blobs> {
    prop::collection::vec((0_u64..400, tries, 0_u64..25), 1..8)
}

proptest! {
    /// Blobs side by side, each refused some times and tried again after ever longer waits.
    #[test]
    fn clients_that_keep_to_the_rule_are_never_accused(blobs in blobs(1..=MAX), each in any::<bool>()) {
        let (history, _) = side_by_side(&blobs, each);
        prop_assert_eq!(attempts(&history, MAX), []);
    }

    #[test]
    fn one_that_tries_a_blob_too_often_is_caught(blobs in blobs(1..=MAX), start in 0_u64..400, times in MAX + 1..7) {
        let mut blobs = blobs;
        blobs.push((start, times, 0));
        let (history, names) = side_by_side(&blobs, true);
        let found = attempts(&history, MAX);
        prop_assert_eq!(found.len(), 1, "{:?}", found);
        prop_assert!(found[0].expected.contains(names.last().unwrap()));
    }

    #[test]
    fn one_that_tries_all_blobs_too_often_is_caught(blobs in blobs(MAX + 1..=6), each in any::<bool>()) {
        let (history, _) = side_by_side(&blobs, each);
        prop_assert!(!attempts(&history, MAX).is_empty());
    }
}

/// The blobs as a client sends them that asks for each before each try, or only once.
fn side_by_side(blobs: &[(u64, usize, u64)], each: bool) -> (Vec<Exchange>, Vec<String>) {
    let names: Vec<String> = (0..blobs.len()).map(|number| format!("sha256:{number}")).collect();
    let mut script = Script::default();
    for ((start, times, more), name) in blobs.iter().zip(&names) {
        let mut at = *start;
        for time in 0..*times {
            script.now_ms = at;
            if each || time == 0 {
                script.ask("ghcr", Kind::BlobHead, name, 404);
            }
            script.step(Kind::UploadBegin, "", "", 503);
            at += (100 + more) << time;
        }
    }
    script.history.sort_by_key(|exchange| exchange.began_ms);
    (script.history, names)
}
