//! FR-008: a build of the git tag `v1.2.0` is tagged `1.2.0`.

use super::{
    published::of_this_build,
    support::{after, explained, run, success, works},
};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::{Violation, untouched},
    scenario::{Scenario, VERSIONS},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_release_is_tagged_with_its_version", &["FR-008", "FR-002"], Scenario::Releases, tagged),
    Check::pipeline("a_release_moves_no_other_tag", &["FR-008", "SC-006", "SC-007"], Scenario::Releases, nothing_else),
    Check::pipeline("every_version_becomes_its_own_tag", &["FR-008"], Scenario::Versions, every_version),
];

fn tagged(evidence: &Evidence) -> Judgement {
    let mut violations = success(run(evidence, "release v1.2.0")?);
    violations.extend(of_this_build(evidence, "release v1.2.0", "1.2.0")?);
    Ok(violations)
}

fn nothing_else(evidence: &Evidence) -> Judgement {
    works(evidence, "release v1.2.0")?;
    let (before, after) = (after(evidence, "first main")?, after(evidence, "release v1.2.0")?);
    let span = run(evidence, "release v1.2.0")?.span_ms();
    let violations = explained(evidence, span, untouched(before, after, &["1.2.0"]));
    let written = super::support::tag_writes(evidence, run(evidence, "release v1.2.0")?, &["1.2.0"]);
    Ok(violations.into_iter().chain(written).collect())
}

fn every_version(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, expected) in VERSIONS {
        let Some(expected) = expected else { continue };
        let run = run(evidence, name)?;
        if run.succeeded() && run.tag() != Some(expected) {
            violations
                .push(Violation::new(format!("`{name}` becomes `{expected}`"), format!("it becomes {:?}", run.tag())));
        }
    }
    Ok(violations)
}
