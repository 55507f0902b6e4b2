//! SC-006: exactly one `latest` exists in each registry at any time.

use super::prelude::*;
use crate::{
    history::Operation,
    oracle::{continuity, equal},
    scenario::Scenario::{Accumulation, Releases, StaleReads},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("latest_resolves_at_every_moment", &["SC-006"], Releases, every_moment),
    Check::pipeline(
        "latest_resolves_at_every_moment_while_old_ones_are_removed",
        &["SC-006", "FR-009"],
        Accumulation,
        every_moment,
    ),
    Check::pipeline("latest_is_the_same_on_all_registries", &["SC-006", "FR-011"], Releases, same),
    Check::pipeline("a_registry_that_shows_late_what_it_took_is_waited_for", &["SC-006"], StaleReads, waited_for),
];

/// A poller asked all the while: from its first appearance on `latest` is never absent and never half an image.
fn every_moment(evidence: &Evidence) -> Judgement {
    let violations = never_seen(evidence)?;
    let wrong = explained(evidence, &ALWAYS, continuity(&evidence.samples_of("latest")));
    Ok([violations, wrong].concat())
}

fn same(evidence: &Evidence) -> Judgement {
    works(evidence, "first main")?;
    let mut violations = Vec::new();
    for (name, _) in RELEASES {
        violations.extend(equal(after(evidence, name)?, "latest"));
    }
    Ok(violations)
}

/// The run must succeed, and must not end before it has seen that the registry shows the new image. A run that says that it
/// has published while users get the old image is wrong, if only for a moment.
fn waited_for(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let mut violations = published(evidence, "stale")?;
    for (old, new) in after(evidence, "good")?.iter().zip(after(evidence, "stale")?) {
        let moved = old.tags.get("latest") != new.tags.get("latest");
        violations.extend(unless(moved, format!("{}:latest moves", new.server), "it did not"));
    }
    if violations.is_empty() {
        violations.extend(not_seen(evidence, run(evidence, "stale")?));
    }
    Ok(violations)
}

/// A violation unless a run reads `latest` on GHCR after it has moved there, until it is shown what was put.
fn not_seen(evidence: &Evidence, run: &Run) -> Option<Violation> {
    let of_latest =
        |it: &Exchange| it.server == "ghcr" && it.operation.as_ref().and_then(Operation::tag) == Some("latest");
    let asked: Vec<_> = requests(evidence, run.span_ms()).filter(|(_, it)| of_latest(it)).collect();
    let at = asked.iter().rposition(|(_, it)| it.method == "PUT" && it.status == Some(201))?;
    let shows = |it: &Exchange| it.answer_headers.get("docker-content-digest") == asked[at].1.digest.as_ref();
    if asked[at + 1..].iter().any(|(_, it)| shows(it)) {
        return None;
    }
    let seen = if asked.len() > at + 1 { "it ends when the old one is shown" } else { "it does not look" };
    let expected = "a run ends when it has seen that ghcr shows latest as it was put";
    Some(Violation::new(expected, seen).shown_by(asked[at..].iter().map(|(index, _)| *index)))
}
