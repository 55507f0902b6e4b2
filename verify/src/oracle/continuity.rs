//! A tag that is there once is there from then on, and always a whole image.

use std::collections::BTreeMap;

use super::Violation;
use crate::look::Sample;

/// Violations for each moment at which a tag was gone again, or not whole, or back at an image that it had left.
pub fn continuity(samples: &[Sample]) -> Vec<Violation> {
    let mut by_server: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_server.entry(&sample.server).or_default().push(sample);
    }
    by_server.into_iter().flat_map(|(server, samples)| of_one(server, &samples)).collect()
}

fn of_one(server: &str, samples: &[&Sample]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut left: Vec<&str> = Vec::new();
    let mut current: Option<&str> = None;
    for sample in samples {
        let when = format!("from {} to {} ms after the start", sample.at_ms, sample.until_ms);
        let Some(digest) = sample.digest.as_deref() else {
            if current.is_some() {
                violations.push(Violation::new(format!("{server}: the tag is always there"), format!("it was gone, {when}")));
            }
            continue;
        };
        if !sample.whole {
            let seen = format!("{digest} was not, {when}: {}", sample.flaws.join("; "));
            violations.push(Violation::new(format!("{server}: the tag is always a whole image"), seen));
        }
        if current != Some(digest) {
            if left.contains(&digest) {
                let seen = format!("it was {digest} again, {when}");
                violations.push(Violation::new(format!("{server}: the tag never goes back"), seen));
            }
            left.extend(current);
            current = Some(digest);
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn samples(digests: &[&str]) -> Vec<Sample> {
        let sample = |(at, digest): (usize, &&str)| Sample {
            at_ms: at as u64,
            until_ms: at as u64,
            times: 1,
            server: "ghcr".into(),
            digest: (*digest != "-").then(|| digest.trim_end_matches('!').to_owned()),
            whole: !digest.ends_with('!'),
            platforms: Vec::new(),
            flaws: Vec::new(),
        };
        digests.iter().enumerate().map(sample).collect()
    }

    #[rstest]
    #[case::never_there(&["-", "-"], 0)]
    #[case::moves_on(&["-", "a", "a", "b", "c"], 0)]
    #[case::gone_for_a_moment(&["a", "-", "b"], 1)]
    #[case::half(&["a", "b!", "c"], 1)]
    #[case::back(&["a", "b", "a"], 1)]
    #[case::gone_and_back(&["a", "b", "-", "a"], 2)]
    fn only_a_tag_that_moves_on_is_right(#[case] digests: &[&str], #[case] violations: usize) {
        assert_eq!(continuity(&samples(digests)).len(), violations);
    }
}
