//! SC-008: every build yields both architectures or nothing.

use super::support::{after, never_seen};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::Violation,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("nobody_ever_sees_half_an_image", &["SC-008", "SC-006"], Scenario::Releases, never_half),
    Check::pipeline("no_build_leaves_another_number_of_images_than_two", &["SC-008"], Scenario::Releases, two_each),
];

/// Whoever pulled `latest` at any moment got a list with both platforms.
fn never_half(evidence: &Evidence) -> Judgement {
    let mut violations = never_seen(evidence)?;
    let seen = evidence.samples_of("latest").into_iter().filter(|sample| sample.digest.is_some());
    let half = seen.filter(|sample| sample.platforms.len() < 2);
    violations.extend(half.map(|sample| {
        let seen = format!(
            "{} with {:?}, {} ms after the start",
            sample.digest.as_deref().unwrap_or_default(),
            sample.platforms,
            sample.at_ms
        );
        Violation::new(format!("{}:latest always has both platforms", sample.server), seen)
    }));
    violations.dedup_by(|a, b| a.expected == b.expected);
    Ok(violations)
}

fn two_each(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, tag) in [("first main", "latest"), ("release v1.2.0", "1.2.0"), ("second main", "latest")] {
        for snapshot in after(evidence, name)? {
            let children = snapshot.tags.get(tag).and_then(|digest| snapshot.manifests.get(digest)).map_or(0, Vec::len);
            if children != 2 {
                let expected = format!("{}:{tag} names two images after `{name}`", snapshot.server);
                violations.push(Violation::new(expected, format!("it names {children}")));
            }
        }
    }
    Ok(violations)
}
