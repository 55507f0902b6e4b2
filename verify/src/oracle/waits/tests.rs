//! Waits that are right, and those that are not.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{history::Kind, oracle::testing::Script};

const BASE_MS: u64 = 200;
const A: &str = "sha256:a";
/// The clock of the histories begins at Wed, 15 Jul 2026 10:36:17 GMT.
const START_UNIX_MS: u64 = 1_784_111_777_000;

/// Judges a history by its own waits alone.
fn judged(history: &[Exchange], base_ms: u64) -> Vec<Violation> {
    waits(history, base_ms, &shortest_waits([history]))
}

/// A manifest that is refused before each of these waits.
fn waiting(ms: &[u64]) -> Script {
    let mut script = Script::default();
    for ms in ms {
        script.put("ghcr", A, A, 503).wait(*ms);
    }
    script.put("ghcr", A, A, 201);
    script
}

#[rstest]
#[case::no_failure(&[], 0)]
#[case::doubled(&[200, 400], 0)]
#[case::doubled_twice(&[200, 400, 800], 0)]
#[case::most_jitter_first(&[250, 400], 0)]
#[case::late_by_a_busy_machine(&[265, 400], 0)]
#[case::half_of_it(&[100, 200], 0)]
#[case::larger_base(&[1000, 2000], 0)]
#[case::tenfold(&[200, 2000], 0)]
#[case::none(&[0], 1)]
#[case::none_twice(&[0, 0], 2)]
#[case::too_short(&[70], 1)]
#[case::fixed(&[200, 200], 1)]
#[case::fixed_and_a_little_late(&[200, 215], 1)]
#[case::fixed_and_long(&[1000, 1000], 1)]
#[case::second_too_short(&[100, 170], 1)]
#[case::linear(&[400, 800, 1100], 1)]
#[case::shorter(&[400, 200], 1)]
fn waits_grow(#[case] ms: &[u64], #[case] violations: usize) {
    let found = judged(&waiting(ms).history, BASE_MS);
    assert_eq!(found.len(), violations, "{found:?}");
}

/// The machine was busy when the first wait of one operation ended; what the others waited first tells how long it was meant.
#[test]
fn a_wait_that_ended_late_is_no_violation_where_others_were_on_time() {
    let late = waiting(&[330, 405]);
    assert_eq!(judged(&late.history, BASE_MS).len(), 1, "alone, it cannot be told from waits that hardly grow");
    let mut script = late;
    for (digest, first) in [("sha256:b", 215), ("sha256:c", 245)] {
        script.put("ghcr", digest, digest, 503).wait(first).put("ghcr", digest, digest, 503).wait(2 * first);
        script.put("ghcr", digest, digest, 201);
    }
    assert_eq!(judged(&script.history, BASE_MS), []);
}

/// Right waits of blobs excuse no fixed ones of manifests.
#[test]
fn one_operation_with_fixed_waits_is_caught_among_others() {
    let mut script = waiting(&[200, 400]);
    script.put("ghcr", "sha256:b", "sha256:b", 503).wait(2_000).put("ghcr", "sha256:b", "sha256:b", 503).wait(2_000);
    script.put("ghcr", "sha256:b", "sha256:b", 201);
    let found = judged(&script.history, BASE_MS);
    assert_eq!(found.iter().map(|it| it.seen.as_str()).collect::<Vec<_>>(), ["2000 ms, then 2000 ms"]);
}

#[test]
fn a_violation_tells_both_waits() {
    let found = judged(&waiting(&[1000, 1000]).history, BASE_MS);
    assert_eq!(
        found[0].expected,
        "ghcr: the manifest sha256:a of acme/hello waits ever longer before it is tried again"
    );
    assert_eq!((found[0].seen.as_str(), &*found[0].exchanges), ("1000 ms, then 1000 ms", [0, 1, 2].as_slice()));
}

#[test]
fn a_wait_ends_with_the_first_request_of_the_next_try() {
    let mut script = Script::default();
    script.ask("ghcr", Kind::BlobHead, A, 404);
    script.step(Kind::UploadBegin, "1", "", 202).step(Kind::UploadAppend, "1", "", 0).wait(10);
    script.step(Kind::UploadBegin, "2", "", 202).step(Kind::UploadAppend, "2", "", 202).took(5_000).wait(5_000);
    script.step(Kind::UploadFinish, "2", A, 500).wait(10_000).step(Kind::UploadBegin, "3", "", 202);
    script.step(Kind::UploadAppend, "3", "", 202).step(Kind::UploadFinish, "3", A, 201);
    let found = judged(&script.history, BASE_MS);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].seen, "after 10 ms");
}

#[test]
fn fresh_tokens_are_not_waited_for() {
    let mut script = Script::default();
    script.put("ghcr", A, A, 401).put("ghcr", A, A, 201);
    assert_eq!(judged(&script.history, BASE_MS), []);
}

#[test]
fn a_wait_that_was_told_neither_grows_nor_counts() {
    let mut script = Script::default();
    script.put("ghcr", A, A, 503).wait(250);
    script.put("ghcr", A, A, 429).header("retry-after", "0").wait(1).put("ghcr", A, A, 503).wait(800);
    script.put("ghcr", A, A, 201);
    assert_eq!(judged(&script.history, BASE_MS), []);
}

#[rstest]
#[case::seconds("retry-after", "2", 2_000)]
#[case::date("retry-after", "Wed, 15 Jul 2026 10:36:19 GMT", 1_999)]
#[case::unix_time("x-retry-after", "1784111780", 2_999)]
#[case::unix_time_under_the_usual_name("retry-after", "1784111780", 2_999)]
#[case::long("retry-after", "3600", 60_000)]
#[case::past("retry-after", "Wed, 15 Jul 2026 10:36:16 GMT", 0)]
fn what_a_server_asks_for_is_kept(#[case] header: &str, #[case] value: &str, #[case] least: u64) {
    for (waited, violations) in [(least, 0), (least.saturating_sub(100), usize::from(least > 0)), (least + 5_000, 0)] {
        let mut script = Script::default();
        script.put("dockerhub", A, A, 429).header(header, value).wait(waited).put("dockerhub", A, A, 201);
        let found = requested_waits(&script.history, START_UNIX_MS);
        assert_eq!(found.len(), violations, "{found:?}");
    }
}

#[test]
fn who_is_told_nothing_is_judged_by_nothing() {
    assert_eq!(requested_waits(&waiting(&[0, 0]).history, START_UNIX_MS), []);
    let mut script = Script::default();
    script.put("ghcr", A, A, 429).header("retry-after", "soon").put("ghcr", A, A, 201);
    assert_eq!(requested_waits(&script.history, START_UNIX_MS), []);
}

/// Which of two blobs a refused POST was for is not sure, so neither is what was waited for.
#[test]
fn waits_that_are_not_sure_are_not_judged() {
    let mut script = Script::default();
    script.ask("ghcr", Kind::BlobHead, A, 404).step(Kind::UploadBegin, "", "", 503).wait(150);
    script.ask("ghcr", Kind::BlobHead, "sha256:b", 404).step(Kind::UploadBegin, "", "", 503).wait(50);
    for wait in [150, 250, 150, 0] {
        script.step(Kind::UploadBegin, "", "", 503).wait(wait);
    }
    assert_eq!(judged(&script.history, BASE_MS), []);
}

/// Both blobs are asked for, then sent side by side, the second one first: the refusal was that one's.
#[test]
fn a_refusal_that_may_be_another_blobs_is_no_wait_of_this_one() {
    const B: &str = "sha256:b";
    let mut script = Script::default();
    script.ask("ghcr", Kind::BlobHead, A, 404).ask("ghcr", Kind::BlobHead, B, 404);
    script.ask("ghcr", Kind::UploadBegin, "", 503);
    script.step(Kind::UploadBegin, "1", "", 202).step(Kind::UploadFinish, "1", A, 201);
    script.wait(200).step(Kind::UploadBegin, "2", "", 202).step(Kind::UploadFinish, "2", B, 201);
    assert_eq!(judged(&script.history, BASE_MS), []);
}

proptest! {
    /// Waits as the rule has them, with jitter of a quarter and a machine that is a little busy.
    #[test]
    fn waits_as_they_should_be_pass(jitter in prop::collection::vec(100_u64..=125, 1..5), delay in 0_u64..25, base in 200_u64..3_000) {
        let wait = |(number, percent): (usize, &u64)| (base << number) * percent / 100 + delay;
        let ms: Vec<u64> = jitter.iter().enumerate().map(wait).collect();
        prop_assert_eq!(judged(&waiting(&ms).history, base), []);
    }

    #[test]
    fn fixed_waits_are_caught(wait in 200_u64..20_000, delay in 0_u64..20) {
        prop_assert!(!judged(&waiting(&[wait, wait + delay]).history, BASE_MS).is_empty());
    }
}

/// A client whose operations each fail twice, with these waits.
fn operations_with(waits: &[(u64, u64)]) -> Script {
    let mut script = Script::default();
    for (number, (first, second)) in waits.iter().enumerate() {
        let digest = format!("sha256:{number}");
        script.put("ghcr", &digest, &digest, 503).wait(*first).put("ghcr", &digest, &digest, 503).wait(*second);
        script.put("ghcr", &digest, &digest, 201);
    }
    script
}

/// A wait of at least so many percent.
fn drawn(random: &mut fastrand::Rng, least_percent: u64, ms: u64) -> u64 {
    random.u64(ms * least_percent / 100..=ms)
}

/// How many clients are tried.
const SEEDS: u64 = 600;

/// What is said of clients that draw their waits, over many seeds: how often Yes, Unknown and No.
fn said(operations: usize, wait: impl Fn(&mut fastrand::Rng, u32) -> u64) -> [usize; 3] {
    let mut said = [0; 3];
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let waits: Vec<_> = (0..operations).map(|_| (wait(&mut random, 0), wait(&mut random, 1))).collect();
        match growth([operations_with(&waits).history.as_slice()], BASE_MS) {
            Growth::Yes => said[0] += 1,
            Growth::Unknown => said[1] += 1,
            Growth::No => said[2] += 1,
        }
    }
    said
}

#[rstest]
#[case::full_jitter(0)]
#[case::equal_jitter(50)]
fn random_waits_that_double_are_never_refused(#[case] least: u64) {
    let [yes, unknown, no] = said(16, |random, number| drawn(random, least, BASE_MS << number));
    assert!(no <= 3 && yes >= 540, "{yes} {unknown} {no}");
}

#[rstest]
#[case::full_jitter(0)]
#[case::equal_jitter(50)]
fn random_waits_that_do_not_grow_never_pass(#[case] least: u64) {
    let [yes, unknown, no] = said(16, |random, _| drawn(random, least, BASE_MS * 2));
    assert!(yes <= 6 && no >= 480, "{yes} {unknown} {no}");
}

#[test]
fn few_random_waits_are_unknown_and_fixed_ones_are_not_random() {
    assert_eq!(said(5, |random, number| random.u64(0..BASE_MS << number))[0], 0);
    assert_eq!(said(16, |random, _| BASE_MS + random.u64(0..20)), [0, 0, 600]);
    assert_eq!(said(16, |_, _| 0), [0, 0, 600]);
}
