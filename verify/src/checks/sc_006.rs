//! SC-006: exactly one `latest` exists in each registry at any time.

use super::support::{after, during, explained, never_seen, run, works};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Run},
    history::{Exchange, Operation},
    oracle::{Violation, continuity, equal},
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("latest_resolves_at_every_moment", &["SC-006"], Scenario::Releases, every_moment),
    Check::pipeline(
        "latest_resolves_at_every_moment_while_old_ones_are_removed",
        &["SC-006", "FR-009"],
        Scenario::Accumulation,
        every_moment,
    ),
    Check::pipeline("latest_is_the_same_on_all_registries", &["SC-006", "FR-011"], Scenario::Releases, same),
    Check::pipeline(
        "a_registry_that_shows_late_what_it_took_is_waited_for",
        &["SC-006"],
        Scenario::StaleReads,
        waited_for,
    ),
];

/// A poller asked all the while: from its first appearance on `latest` is never absent and never half an image.
fn every_moment(evidence: &Evidence) -> Judgement {
    let violations = never_seen(evidence)?;
    if !violations.is_empty() {
        return Ok(violations);
    }
    Ok(explained(evidence, (0, u64::MAX), continuity(&evidence.samples_of("latest"))))
}

fn same(evidence: &Evidence) -> Judgement {
    works(evidence, "first main")?;
    let mut violations = Vec::new();
    for name in ["first main", "release v1.2.0", "second main"] {
        violations.extend(equal(after(evidence, name)?, "latest"));
    }
    Ok(violations)
}

/// The run must succeed, and must not end before it has seen that the registry shows the new image: who says that it is
/// published while users get the old one is wrong, if only for a moment.
fn waited_for(evidence: &Evidence) -> Judgement {
    super::support::faults_fired(evidence)?;
    let run = run(evidence, "stale")?;
    let mut violations = super::support::published(evidence, "stale")?;
    for (old, new) in after(evidence, "good")?.iter().zip(after(evidence, "stale")?) {
        if old.tags.get("latest") == new.tags.get("latest") {
            violations.push(Violation::new(format!("{}:latest moves", new.server), "it did not"));
        }
    }
    if violations.is_empty() {
        violations.extend(not_seen(evidence, run));
    }
    Ok(violations)
}

/// A violation unless a run reads `latest` on GHCR after it has moved there, until it is shown what was put.
fn not_seen(evidence: &Evidence, run: &Run) -> Option<Violation> {
    let of_latest =
        |it: &Exchange| it.server == "ghcr" && it.operation.as_ref().and_then(Operation::tag) == Some("latest");
    let asked: Vec<(usize, &Exchange)> = during(evidence, run).filter(|(_, it)| of_latest(it)).collect();
    let is_put = |it: &Exchange| it.method == "PUT" && it.status == Some(201);
    let at = asked.iter().rposition(|(_, it)| is_put(it))?;
    let shows = |it: &Exchange| it.answer_headers.get("docker-content-digest") == asked[at].1.digest.as_ref();
    if asked[at + 1..].iter().any(|(_, it)| shows(it)) {
        return None;
    }
    let seen = if asked.len() > at + 1 { "it ends when the old one is shown" } else { "it does not look" };
    let expected = "a run ends when it has seen that ghcr shows latest as it was put";
    Some(Violation::new(expected, seen).shown_by(asked[at..].iter().map(|(index, _)| *index)))
}
