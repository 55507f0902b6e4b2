//! A tag as its users saw it: once it is there it is never gone, never half an image, and never goes back.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::client::Sample;

/// Judges samples of one tag on any number of registries, in the order in which they were taken.
///
/// A sample is a stretch of time, so nothing can hide between two of one registry but what is shorter than a poll.
pub fn continuity(samples: &[&Sample]) -> Vec<Violation> {
    let mut servers: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples.iter().copied() {
        servers.entry(&sample.server).or_default().push(sample);
    }
    servers.into_iter().flat_map(|(server, samples)| of_server(server, &samples)).collect()
}

fn of_server(server: &str, samples: &[&Sample]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut left: BTreeSet<&str> = BTreeSet::new();
    let mut current: Option<&str> = None;
    for sample in samples {
        let mut violation = |expected: &str, seen: String| {
            let seen = format!("{seen}, {} ms after the start", sample.at_ms);
            violations.push(Violation::new(format!("{server}: the tag {expected}"), seen));
        };
        let Some(digest) = sample.digest.as_deref() else {
            if current.is_some() {
                violation("is there all the while, once it is there", "it is gone".to_owned());
            }
            continue;
        };
        if !sample.whole {
            let flaws = sample.flaws.join(", ");
            violation("leads to a whole image all the while", format!("{digest} is not whole ({flaws})"));
        }
        if current == Some(digest) {
            continue;
        }
        left.extend(current.replace(digest));
        if left.contains(digest) {
            violation("never goes back", format!("it is {digest} again"));
        }
    }
    violations
}

/// A tag may change so often on each registry at most.
pub fn changes(samples: &[&Sample], max: usize) -> Vec<Violation> {
    let mut servers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for sample in samples {
        let digests = servers.entry(&sample.server).or_default();
        digests.extend(sample.digest.as_deref().filter(|digest| digests.last() != Some(digest)));
    }
    let changed = servers.into_iter().map(|(server, digests)| (server, digests.len().saturating_sub(1)));
    changed
        .filter(|(_, times)| *times > max)
        .map(|(server, times)| {
            Violation::new(format!("{server}: the tag changes {max} times"), format!("{times} times"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// A tag's life on one registry: `-` is absent, a small letter an image, a capital one the same image in part.
    fn life(server: &str, seen: &str) -> Vec<Sample> {
        let sample = |(at_ms, seen): (usize, char)| {
            let digest = (seen != '-').then(|| format!("sha256:{}", seen.to_ascii_lowercase()));
            serde_json::from_value(serde_json::json!({
                "at_ms": at_ms, "until_ms": at_ms, "times": 1, "server": server, "digest": digest,
                "whole": seen.is_ascii_lowercase(), "platforms": [],
            }))
            .unwrap()
        };
        seen.chars().enumerate().map(sample).collect()
    }

    fn judged(samples: &[Sample]) -> Vec<Violation> {
        continuity(&samples.iter().collect::<Vec<_>>())
    }

    #[rstest]
    #[case::never_there("---", 0)]
    #[case::appears("--a", 0)]
    #[case::moves("-aabbccc", 0)]
    #[case::gone_for_a_moment("a-a", 1)]
    #[case::gone_for_good("ab--", 2)]
    #[case::gone_and_another("a-b", 1)]
    #[case::in_part("aBb", 1)]
    #[case::back("aba", 1)]
    #[case::back_behind_a_gap("ab-a", 2)]
    #[case::to_and_fro("abab", 2)]
    fn lives(#[case] seen: &str, #[case] violations: usize) {
        let found = judged(&life("ghcr", seen));
        assert_eq!(found.len(), violations, "{found:?}");
    }

    #[rstest]
    #[case("--aab", 1, 0)]
    #[case("--aab", 0, 1)]
    #[case("a-a", 0, 0)]
    #[case("abc", 1, 1)]
    #[case("", 0, 0)]
    fn changes_are_counted(#[case] seen: &str, #[case] max: usize, #[case] violations: usize) {
        let life = life("ghcr", seen);
        assert_eq!(changes(&life.iter().collect::<Vec<_>>(), max).len(), violations);
    }

    proptest! {
        #[test]
        fn registries_do_not_disturb_each_other(ghcr in "-{0,3}a{1,4}b{0,4}", dockerhub in "-{0,3}b{1,4}a{0,4}") {
            let mut samples = [life("ghcr", &ghcr), life("dockerhub", &dockerhub)].concat();
            samples.sort_by_key(|sample| sample.at_ms);
            prop_assert_eq!(judged(&samples), []);
        }

        #[test]
        fn what_breaks_a_life_is_seen(before in "a{1,4}", behind in "a{0,4}", wrong in "[-A]") {
            let violations = judged(&life("ghcr", &format!("{before}{wrong}{behind}")));
            prop_assert_eq!(violations.len(), 1);
            let expected = format!(", {} ms after the start", before.len());
            prop_assert!(violations[0].seen.ends_with(&expected));
        }
    }
}
