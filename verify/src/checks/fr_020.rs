//! FR-020: a newer build of the same ref cancels the one in progress.
//!
//! That GitHub sends the signal is GitHub's affair; that the workflow asks for it, and what a pipeline makes of it, is judged
//! here.

use super::{
    support::{after, explained, faults_fired, run, tag_writes, works},
    workflows::{all, publishing_jobs, workflows},
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Exit},
    oracle::{Violation, equal, untouched},
    scenario::Scenario,
    workflow::{Concurrency, Event, Job, Workflow, awaited, contexts, template},
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
        return Err(Inconclusive("nobody was signalled".into()));
    };
    let late =
        run.stages.iter().filter(|stage| stage.ended_ms > signalled + END_MAX_MS || stage.end == Exit::Signal(9));
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

/// Runs that a newer one of the same ref must cancel.
const EVENTS: [Event; 2] = [Event::MAIN, Event::Tag("v1.2.3")];
/// Contexts that are another in each run.
const OF_THE_RUN: [&str; 5] =
    ["github.run_id", "github.run_number", "github.sha", "github.event.after", "github.event.head_commit.id"];
/// Contexts that are the same in all runs.
const OF_THE_REPOSITORY: [&str; 3] = ["github.workflow", "github.repository", "github.repository_id"];

/// What builds must be in a group in which a newer run cancels it: the whole run, or each job that builds. A job that makes
/// the image visible may end in peace, since it does not begin where a build was cancelled (FR-017).
fn cancels(evidence: &Evidence) -> Judgement {
    if workflows(evidence)?.iter().all(|workflow| EVENTS.iter().all(|event| cancels_all_of_it(workflow, *event))) {
        return Ok(Vec::new());
    }
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (job, event) in building(workflow, &jobs).into_iter().flat_map(|job| EVENTS.map(|event| (job, event))) {
            let groups: Vec<&Concurrency> = workflow.concurrency.iter().chain(&job.concurrency).collect();
            if groups.iter().any(|group| cancels_at(workflow, event, group)) {
                continue;
            }
            let expected = format!("{}: {} of a newer run cancels {}", workflow.path, event.words(), job.id);
            let told = |it: &&Concurrency| format!("cancel-in-progress of {} is {}", it.group, it.cancel_in_progress);
            let seen: Vec<String> = groups.iter().map(told).collect();
            let seen = if seen.is_empty() { "it is in no concurrency group".to_owned() } else { seen.join(", ") };
            violations.push(Violation::new(expected, seen));
        }
    }
    Ok(violations)
}

fn cancels_all_of_it(workflow: &Workflow, event: Event) -> bool {
    workflow.concurrency.as_ref().is_some_and(|whole| cancels_at(workflow, event, whole))
}

fn cancels_at(workflow: &Workflow, event: Event, concurrency: &Concurrency) -> bool {
    comes_to(workflow, event, 1, &concurrency.cancel_in_progress).as_deref() == Some("true")
}

/// Of the jobs that publish, those that others of them wait for; all, if none waits.
fn building<'a>(workflow: &'a Workflow, publishing: &[&'a Job]) -> Vec<&'a Job> {
    let is_awaited = |job: &&&Job| {
        publishing.iter().any(|other| awaited(workflow, other).iter().any(|awaited| awaited.id == job.id))
    };
    let found: Vec<&Job> = publishing.iter().filter(is_awaited).copied().collect();
    if found.is_empty() { publishing.to_vec() } else { found }
}

/// Whatever the groups are called: two runs of one ref have the same, and other refs have another.
fn groups(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for workflow in workflows(evidence)? {
        let all = workflow.concurrency.iter().chain(workflow.jobs.iter().flat_map(|job| &job.concurrency));
        let mut judged: Vec<&Concurrency> = Vec::new();
        for group in all.filter(|it| EVENTS.iter().any(|event| cancels_at(workflow, *event, it))) {
            if !judged.contains(&group) {
                violations.extend(group_of_refs(workflow, group)?);
                judged.push(group);
            }
        }
    }
    Ok(violations)
}

fn group_of_refs(workflow: &Workflow, concurrency: &Concurrency) -> Result<Vec<Violation>, Inconclusive> {
    let named = |event: Event, run: u8| {
        let unknown = || Inconclusive(format!("{}: nobody can tell what {} is", workflow.path, concurrency.group));
        comes_to(workflow, event, run, &concurrency.group).ok_or_else(unknown)
    };
    let mut violations = Vec::new();
    for event in EVENTS {
        let (older, newer) = (named(event, 1)?, named(event, 2)?);
        if older != newer {
            let expected = format!("{}: two runs of {} are in one group", workflow.path, event.words());
            violations.push(Violation::new(expected, format!("{older} and {newer}")));
        }
    }
    let [branch, tag] = EVENTS;
    let shared = named(branch, 1)?;
    if shared == named(tag, 1)? {
        let expected = format!("{}: {} and {} are in two groups", workflow.path, branch.words(), tag.words());
        violations.push(Violation::new(expected, shared));
    }
    Ok(violations)
}

/// What is in a group twice waits for itself, or is cancelled by itself: a job in the group of its run or of its caller, and
/// the jobs of one matrix in one group.
fn not_itself(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let mut violations = Vec::new();
        for job in &workflow.jobs {
            let group =
                |it: &Concurrency| comes_to(workflow, Event::MAIN, 1, &it.group).unwrap_or_else(|| it.group.clone());
            let around: Vec<&Concurrency> = workflow.concurrency.iter().chain(&job.concurrency).collect();
            for (number, inner) in around.iter().enumerate() {
                if around[..number].iter().any(|outer| group(outer) == group(inner)) {
                    let expected = format!("{}: {} has another group than what it is in", workflow.path, inner.place);
                    violations.push(Violation::new(expected, inner.group.clone()));
                }
            }
            let own = job.concurrency.last().filter(|it| it.place == job.id && job.strategy.is_some());
            if let Some(own) = own.filter(|it| !contexts(&it.group).iter().any(|name| varies(name))) {
                let expected = format!("{}: each job of the matrix {} has a group of its own", workflow.path, job.id);
                violations.push(Violation::new(expected, own.group.clone()));
            }
        }
        violations
    })
}

/// Whether a context is another in each job of a matrix.
fn varies(name: &str) -> bool {
    name.starts_with("matrix.") || name.starts_with("strategy.job-index")
}

/// What a text comes to in one of several runs. Of a matrix any job will do.
fn comes_to(workflow: &Workflow, event: Event, run: u8, text: &str) -> Option<String> {
    template(text, &|name| {
        if OF_THE_RUN.contains(&name) {
            Some(format!("'{run}'"))
        } else if OF_THE_REPOSITORY.contains(&name) || varies(name) {
            Some(format!("'{name}'"))
        } else {
            event.known(workflow, name)
        }
    })
}
