//! A run that publishes as it should, and the same with one thing wrong.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::oracle::testing::{REPOSITORY, Script};

const SERVERS: [&str; 2] = ["ghcr", "dockerhub"];
const DIGESTS: [&str; 3] = ["sha256:amd64", "sha256:arm64", LIST];
const LIST: &str = "sha256:list";

/// Images and their list by digest everywhere, then the tag everywhere.
fn good() -> Script {
    let mut script = Script::default();
    for digest in DIGESTS {
        for server in SERVERS {
            script.put(server, digest, digest, 201);
        }
    }
    for server in SERVERS {
        script.put(server, "latest", LIST, 201);
    }
    script
}

fn judged(history: &[Exchange]) -> Vec<Violation> {
    staging(history, REPOSITORY, &SERVERS.map(String::from), &["latest"])
}

#[test]
fn a_good_run_passes() {
    assert_eq!(judged(&good().history), []);
    assert_eq!(judged(&[]), []);
}

#[test]
fn what_was_there_before_need_not_be_put() {
    let mut script = good();
    script.history.retain(|exchange| exchange.server != "dockerhub" || !is_digest(exchange));
    assert_eq!(judged(&script.history).len(), 2, "dockerhub never had the list when either tag was written");
    let mut looked = Script::default();
    looked.ask("dockerhub", Kind::ManifestHead, LIST, 200);
    script.history.splice(0..0, looked.history);
    assert_eq!(judged(&script.history), []);
}

#[test]
fn a_signature_is_no_tag_too_many() {
    let mut script = good();
    script.put("ghcr", &format!("sha256-{}.sig", "a".repeat(64)), "sha256:signature", 201);
    assert_eq!(judged(&script.history), []);
}

#[test]
fn tries_that_fail_change_nothing() {
    let mut script = Script::default();
    script.put("ghcr", LIST, LIST, 503);
    script.history.extend(good().history);
    script.now_ms = 100;
    script.history.insert(7, script.history[7].clone());
    script.history[7].status = Some(503);
    assert_eq!(judged(&script.history), []);
}

#[test]
fn other_repositories_are_not_looked_at() {
    let mut script = good();
    script.put("ghcr", "1a2b3c", "sha256:layers", 201).last().operation.as_mut().unwrap().repository =
        Some("acme/cache".into());
    assert_eq!(judged(&script.history), []);
}

#[rstest]
#[case::staging_tag("latest-amd64", "sha256:amd64", "ghcr:latest-amd64 is written")]
#[case::twice("latest", LIST, "it is written again")]
#[case::something_else("latest", "sha256:other", "ghcr:latest is written before")]
fn one_tag_too_many(#[case] tag: &str, #[case] digest: &str, #[case] seen: &str) {
    let mut script = good();
    script.put("ghcr", tag, digest, 201);
    let found = judged(&script.history);
    assert!(found.iter().any(|violation| violation.seen == seen), "{found:?}");
    assert!(found.iter().all(|violation| violation.exchanges.contains(&8)), "{found:?}");
}

#[test]
fn a_list_whose_answer_was_still_to_come_was_not_there() {
    let mut script = good();
    script.history[5].ended_ms = 1_000;
    let found = judged(&script.history);
    assert_eq!(found[0].expected, "dockerhub:sha256:list is there before any tag is written");
    assert_eq!(found[0].exchanges, [6, 5]);
}

fn is_digest(exchange: &Exchange) -> bool {
    exchange.operation.as_ref().is_some_and(|asked| asked.tag().is_none())
}

proptest! {
    /// Whatever manifest comes after a tag on any registry is noticed.
    #[test]
    fn a_tag_before_its_time_is_caught(tag in 6_usize..8, manifest in 0_usize..6) {
        let mut history = good().history;
        let moved = history.remove(tag);
        history.insert(manifest, moved);
        for (number, exchange) in history.iter_mut().enumerate() {
            (exchange.began_ms, exchange.ended_ms) = (number as u64, number as u64 + 1);
        }
        let found = judged(&history);
        prop_assert!(!found.is_empty());
        prop_assert!(found.iter().any(|violation| violation.exchanges.contains(&manifest)));
    }

    /// A list that never reached a registry is missed there.
    #[test]
    fn a_registry_that_is_left_out_is_missed(server in 0_usize..2) {
        let mut history = good().history;
        history.retain(|exchange| !(exchange.server == SERVERS[server] && is_digest(exchange)));
        let found = judged(&history);
        let expected = format!("{} has {LIST} by digest before a tag is given it", SERVERS[server]);
        prop_assert!(found.iter().any(|violation| violation.expected == expected));
    }
}
