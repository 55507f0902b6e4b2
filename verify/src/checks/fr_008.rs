//! FR-008: a build of the git tag `v1.2.0` is tagged `1.2.0`.

use super::{fr_007::moves_only, images::of_this_build, prelude::*};
use crate::scenario::VERSIONS;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_release_is_tagged_with_its_version", &["FR-008", "FR-002"], Scenario::Releases, tagged),
    Check::pipeline("a_release_moves_no_other_tag", &["FR-008", "SC-006", "SC-007"], Scenario::Releases, |evidence| {
        moves_only(evidence, "first main", "release v1.2.0", "1.2.0")
    }),
    Check::pipeline("every_version_becomes_its_own_tag", &["FR-008"], Scenario::Versions, every_version),
];

fn tagged(evidence: &Evidence) -> Judgement {
    let ended = success(run(evidence, "release v1.2.0")?);
    Ok([ended, of_this_build(evidence, "release v1.2.0", "1.2.0")?].concat())
}

fn every_version(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, expected) in VERSIONS.iter().filter_map(|(name, tag)| Some((name, (*tag)?))) {
        let run = run(evidence, name)?;
        let right = !run.succeeded() || run.tag() == Some(expected);
        let seen = format!("it becomes {:?}", run.tag());
        violations.extend(unless(right, format!("`{name}` becomes `{expected}`"), seen));
    }
    Ok(violations)
}
