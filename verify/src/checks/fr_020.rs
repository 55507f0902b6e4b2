//! FR-020: a newer build of the same ref cancels the one in progress.
//!
//! That GitHub sends the signal is GitHub's affair; that the workflow asks for it, and what a pipeline makes of it, is judged
//! here.

use super::{
    support::{after, explained, faults_fired, run, tag_writes, works},
    workflows::all,
};
use crate::{
    check::{Check, Judgement},
    evidence::{End, Evidence},
    oracle::{Violation, equal, untouched},
    scenario::Scenario,
    workflow::{Event, Workflow, template},
};

/// How long a cancelled stage may take to end, in milliseconds: GitHub kills it 10 seconds after the first signal.
const END_MAX_MS: u64 = 10_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::reading("a_newer_run_cancels_the_one_in_progress", &["FR-020"], cancels),
    Check::reading("runs_of_one_ref_are_one_group", &["FR-020"], groups),
    Check::reading("nothing_within_a_run_is_in_the_runs_own_group", &["FR-020"], not_itself),
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

/// One registry had not yet taken the list then, so that a tag could only have moved too early.
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
    let mut violations = super::support::published(evidence, "next")?;
    let (before, now) = (after(evidence, "before the tags")?, after(evidence, "next")?);
    for (old, new) in before.iter().zip(now).filter(|(old, new)| old.tags.get("latest") == new.tags.get("latest")) {
        violations.push(Violation::new(
            format!("{}:latest is the image of the next run", new.server),
            format!("it is still {:?}", old.tags.get("latest")),
        ));
    }
    Ok(violations)
}

/// What the group of a ref is called.
const GROUP: &str = "build-images-";
/// Runs that a newer one of the same ref must cancel.
const EVENTS: [Event; 2] = [Event::MAIN, Event::Tag("v1.2.3")];

/// The whole run, not one of its jobs: what a cancelled job leaves undone, the others would go on with.
fn cancels(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let Some(concurrency) = &workflow.concurrency else {
            let expected = format!("{}: the workflow has a concurrency group", workflow.path);
            let seen = workflow
                .inner_concurrency
                .first()
                .map_or_else(|| "it has none".into(), |(place, _)| format!("only {place} has"));
            return vec![Violation::new(expected, seen)];
        };
        let cancels =
            |event: &&Event| comes_to(workflow, **event, &concurrency.cancel_in_progress).as_deref() == Some("true");
        let wrong = EVENTS.iter().filter(|event| !cancels(event));
        let violation = |event: &Event| {
            let expected = format!("{}: cancel-in-progress is true for {}", workflow.path, event.words());
            Violation::new(expected, format!("it is {}", concurrency.cancel_in_progress))
        };
        wrong.map(violation).collect()
    })
}

fn groups(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let Some(concurrency) = &workflow.concurrency else { return Vec::new() };
        let wrong = EVENTS.iter().filter_map(|event| {
            let expected = format!("{GROUP}{}", event.reference());
            let group = comes_to(workflow, *event, &concurrency.group);
            (group.as_ref() != Some(&expected)).then(|| {
                let seen = group.unwrap_or_else(|| concurrency.group.clone());
                Violation::new(format!("{}: the group of {} is {expected}", workflow.path, event.words()), seen)
            })
        });
        wrong.collect()
    })
}

/// A called workflow or a job in its own run's group waits for that run, which waits for it: GitHub cancels one.
fn not_itself(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let Some(outer) = &workflow.concurrency else { return Vec::new() };
        let group = |text: &str| comes_to(workflow, Event::MAIN, text).unwrap_or_else(|| text.to_owned());
        let same = workflow.inner_concurrency.iter().filter(|(_, inner)| group(&inner.group) == group(&outer.group));
        let expected = |place: &str| format!("{}: {place} has another group than the run", workflow.path);
        same.map(|(place, inner)| Violation::new(expected(place), inner.group.clone())).collect()
    })
}

fn comes_to(workflow: &Workflow, event: Event, text: &str) -> Option<String> {
    template(text, &|name| event.known(workflow, name))
}
