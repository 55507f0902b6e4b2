//! FR-020: a newer build of the same ref cancels the one in progress.
//!
//! That GitHub sends the signal is GitHub's affair; what a pipeline makes of it is judged here.

use super::support::{after, explained, faults_fired, run, tag_writes, works};
use crate::{
    check::{Check, Judgement},
    evidence::{End, Evidence},
    oracle::{Violation, equal, untouched},
    scenario::Scenario,
};

/// How long a cancelled stage may take to end, in milliseconds: GitHub kills it 10 seconds after the first signal.
const END_MAX_MS: u64 = 10_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("a_cancelled_run_publishes_nothing", &["FR-020"], Scenario::Cancelled, nothing),
    Check::watching("a_cancelled_run_ends_at_once", &["FR-020"], Scenario::Cancelled, at_once),
    Check::watching("a_cancelled_run_leaves_no_process", &["FR-020"], Scenario::Cancelled, no_process),
    Check::watching(
        "a_run_cancelled_before_its_tags_move_publishes_nothing",
        &["FR-020"],
        Scenario::CancelledLate,
        before_the_tags,
    ),
    Check::watching(
        "a_run_cancelled_between_its_tags_leaves_registries_alike",
        &["FR-020", "SC-006"],
        Scenario::CancelledLate,
        between_the_tags,
    ),
    Check::watching("the_run_after_a_cancelled_one_publishes", &["FR-020"], Scenario::CancelledLate, next),
];

fn nothing(evidence: &Evidence) -> Judgement {
    publishes_nothing(evidence, "cancelled")
}

/// Docker Hub had not yet taken the list then, so that a tag could only have moved too early.
fn before_the_tags(evidence: &Evidence) -> Judgement {
    publishes_nothing(evidence, "before the tags")
}

fn publishes_nothing(evidence: &Evidence, name: &str) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    let run = run(evidence, name)?;
    let mut violations = super::support::failed(run);
    let moved = untouched(after(evidence, "good")?, after(evidence, name)?, &[]);
    violations.extend(explained(evidence, run.span_ms(), moved));
    violations.extend(tag_writes(evidence, run, &[]));
    Ok(violations)
}

/// It may go on to the end or go back; it may not stay where it is.
fn between_the_tags(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    Ok(equal(after(evidence, "between the tags")?, "latest"))
}

fn at_once(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let run = run(evidence, "cancelled")?;
    let Some(signalled) = evidence.signalled_ms else {
        return Err(crate::check::Inconclusive("nobody was signalled".into()));
    };
    let late = run.stages.iter().filter(|stage| stage.ended_ms > signalled + END_MAX_MS || stage.end == End::Signal(9));
    Ok(late
        .map(|stage| {
            let expected = format!("{} ends within {END_MAX_MS} ms of the signal", super::support::shown(stage));
            let took = stage.ended_ms.saturating_sub(signalled);
            Violation::new(expected, format!("it ended after {took} ms with {:?}", stage.end))
        })
        .collect())
}

fn no_process(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let run = run(evidence, "cancelled")?;
    let left = run.stages.iter().flat_map(|stage| stage.left_behind.iter().map(move |process| (stage, process)));
    Ok(left
        .map(|(stage, process)| {
            Violation::new(
                format!("{} leaves no process", super::support::shown(stage)),
                format!("still there: {process}"),
            )
        })
        .collect())
}

fn next(evidence: &Evidence) -> Judgement {
    let mut violations = super::support::success(run(evidence, "next")?);
    let (before, now) = (after(evidence, "before the tags")?, after(evidence, "next")?);
    for (old, new) in before.iter().zip(now).filter(|(old, new)| old.tags.get("latest") == new.tags.get("latest")) {
        violations.push(Violation::new(
            format!("{}:latest is the image of the next run", new.server),
            format!("it is still {:?}", old.tags.get("latest")),
        ));
    }
    Ok(violations)
}
