//! SC-006: exactly one `latest` exists in each registry at any time.

use super::support::{after, run, works};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::{Violation, continuity, equal},
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("latest_resolves_at_every_moment", &["SC-006"], Scenario::Releases, every_moment),
    Check::watching(
        "latest_resolves_at_every_moment_while_old_ones_are_removed",
        &["SC-006", "FR-009"],
        Scenario::Accumulation,
        every_moment,
    ),
    Check::watching("latest_is_the_same_on_all_registries", &["SC-006", "FR-011"], Scenario::Releases, same),
    Check::watching(
        "a_registry_that_shows_late_what_it_took_is_waited_for",
        &["SC-006"],
        Scenario::StaleReads,
        waited_for,
    ),
];

/// A poller asked all the while: from its first appearance on `latest` is never absent and never half an image.
fn every_moment(evidence: &Evidence) -> Judgement {
    if !evidence.samples.iter().any(|sample| sample.digest.is_some()) {
        return Err(Inconclusive("nobody ever saw a latest".into()));
    }
    Ok(continuity(&evidence.samples))
}

fn same(evidence: &Evidence) -> Judgement {
    works(evidence, "first main")?;
    let mut violations = Vec::new();
    for name in ["first main", "release v1.2.0", "second main"] {
        violations.extend(equal(after(evidence, name)?, "latest"));
    }
    Ok(violations)
}

/// The run must succeed, and must not have said that it was done before the registry showed the new image.
fn waited_for(evidence: &Evidence) -> Judgement {
    super::support::faults_fired(evidence)?;
    let run = run(evidence, "stale")?;
    let mut violations = super::support::success(run);
    for (old, new) in after(evidence, "good")?.iter().zip(after(evidence, "stale")?) {
        if old.tags.get("latest") == new.tags.get("latest") {
            violations.push(Violation::new(format!("{}:latest moves", new.server), "it did not"));
        }
    }
    Ok(violations)
}
