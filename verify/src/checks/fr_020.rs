//! FR-020: a newer build of the same ref cancels the one in progress.
//!
//! Sending the signal is up to GitHub. Judged here are what the workflow asks GitHub for, and what a pipeline does when it is
//! signalled.

use super::{
    prelude::*,
    workflows::{all, publishing_jobs, workflows},
};
use crate::{
    evidence::Exit,
    oracle::equal,
    scenario::Scenario::{Cancelled, CancelledLate},
    workflow::{Concurrency, Event, Job, Workflow, awaited, contexts, template},
};

/// How long a cancelled stage may take to end, in milliseconds: GitHub kills it 10 seconds after the first signal.
const END_MAX_MS: u64 = 10_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("a_newer_run_cancels_the_one_in_progress", &["FR-020"], cancels),
    Check::workflow("runs_of_one_ref_are_one_group", &["FR-020"], groups),
    Check::workflow("nothing_within_a_run_is_in_the_runs_own_group", &["FR-020"], not_itself),
    Check::pipeline("a_cancelled_run_publishes_nothing", &["FR-020"], Cancelled, |evidence| {
        faults_fired(evidence).and_then(|()| publishes_nothing(evidence, "cancelled"))
    }),
    Check::pipeline("a_cancelled_run_ends_at_once", &["FR-020"], Cancelled, at_once),
    Check::pipeline("a_cancelled_run_leaves_no_process", &["FR-020"], Cancelled, no_process),
    // One registry had not yet taken the list then, so that a tag could only have moved too early.
    Check::pipeline("a_run_cancelled_before_its_tags_move_publishes_nothing", &["FR-020"], CancelledLate, |evidence| {
        faults_fired(evidence).and_then(|()| publishes_nothing(evidence, "before the tags"))
    }),
    Check::pipeline(
        "a_run_cancelled_between_its_tags_leaves_registries_alike",
        &["FR-020", "SC-006"],
        CancelledLate,
        between_the_tags,
    ),
    Check::pipeline("the_run_after_a_cancelled_one_publishes", &["FR-020"], CancelledLate, next),
];

/// It may go on to the end or go back; it may not stay where it is.
fn between_the_tags(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    Ok(equal(after(evidence, "between the tags")?, "latest"))
}

fn at_once(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let signalled_ms = evidence.signalled_ms.ok_or_else(|| Inconclusive("no process was signalled".into()))?;
    let stages = run(evidence, "cancelled")?.stages.iter();
    let late = stages.filter(|stage| stage.ended_ms > signalled_ms + END_MAX_MS || stage.end == Exit::Signal(9));
    let violation = |stage: &StageRun| {
        let took_ms = stage.ended_ms.saturating_sub(signalled_ms);
        let expected = format!("{stage} ends within {END_MAX_MS} ms of the signal");
        Violation::new(expected, format!("it ended after {took_ms} ms with {:?}", stage.end))
    };
    Ok(late.map(violation).collect())
}

fn no_process(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let mut violations = Vec::new();
    for stage in &run(evidence, "cancelled")?.stages {
        let left = stage.left_behind.iter().map(|process| format!("still there: {process}"));
        violations.extend(left.map(|seen| Violation::new(format!("{stage} leaves no process"), seen)));
    }
    Ok(violations)
}

fn next(evidence: &Evidence) -> Judgement {
    let mut violations = published(evidence, "next")?;
    for (old, new) in after(evidence, "before the tags")?.iter().zip(after(evidence, "next")?) {
        let (was, is) = (old.tags.get("latest"), new.tags.get("latest"));
        let expected = format!("{}:latest is the image of the next run", new.server);
        violations.extend(unless(was != is, expected, format!("it is still {was:?}")));
    }
    Ok(violations)
}

/// Runs that a newer one of the same ref must cancel.
const EVENTS: [Event; 3] = [Event::MAIN, Event::Tag("v1.2.3"), Event::Tag("v1.2.4")];
/// Contexts that are another in each run.
const OF_THE_RUN: [&str; 5] =
    ["github.run_id", "github.run_number", "github.sha", "github.event.after", "github.event.head_commit.id"];
/// Contexts that are the same in all runs.
const OF_THE_REPOSITORY: [&str; 3] = ["github.workflow", "github.repository", "github.repository_id"];

/// What builds must be in a group in which a newer run cancels it: the whole run, or each job that builds. A job that makes
/// the image visible may end in peace, since it does not begin where a build was cancelled (FR-017).
fn cancels(evidence: &Evidence) -> Judgement {
    let whole = |workflow: &Workflow, event| workflow.concurrency.iter().any(|it| cancels_at(workflow, event, it));
    if workflows(evidence)?.iter().all(|workflow| EVENTS.iter().all(|event| whole(workflow, *event))) {
        return Ok(Vec::new());
    }
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (job, event) in building(workflow, &jobs).into_iter().flat_map(|job| EVENTS.map(|event| (job, event))) {
            let groups: Vec<&Concurrency> = workflow.concurrency.iter().chain(&job.concurrency).collect();
            let shown = |it: &&Concurrency| format!("cancel-in-progress of {} is {}", it.group, it.cancel_in_progress);
            let seen: Vec<String> = groups.iter().map(shown).collect();
            violations.extend(unless(
                groups.iter().any(|group| cancels_at(workflow, event, group)),
                format!("{}: {} of a newer run cancels {}", workflow.path, event.words(), job.id),
                if seen.is_empty() { "it is in no concurrency group".to_owned() } else { seen.join(", ") },
            ));
        }
    }
    Ok(violations)
}

fn cancels_at(workflow: &Workflow, event: Event, concurrency: &Concurrency) -> bool {
    evaluated(workflow, event, 1, &concurrency.cancel_in_progress).as_deref() == Some("true")
}

/// Of the jobs that publish, those that others of them wait for; all, if none waits.
fn building<'a>(workflow: &'a Workflow, publishing: &[&'a Job]) -> Vec<&'a Job> {
    let awaits = |other: &Job, job: &Job| awaited(workflow, other).iter().any(|awaited| awaited.id == job.id);
    let mut found = publishing.to_vec();
    found.retain(|job| publishing.iter().any(|other| awaits(other, job)));
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

fn group_of_refs(workflow: &Workflow, concurrency: &Concurrency) -> Judgement {
    let named = |event: Event, run: u8| {
        let unknown = || Inconclusive(format!("{}: {} is known only when it runs", workflow.path, concurrency.group));
        evaluated(workflow, event, run, &concurrency.group).ok_or_else(unknown)
    };
    let mut violations = Vec::new();
    for event in EVENTS {
        let (older, newer) = (named(event, 1)?, named(event, 2)?);
        let expected = format!("{}: two runs of {} are in one group", workflow.path, event.words());
        violations.extend(unless(older == newer, expected, format!("{older} and {newer}")));
    }
    for (one, other) in [(EVENTS[0], EVENTS[1]), (EVENTS[1], EVENTS[2])] {
        let expected = format!("{}: {} and {} are in two groups", workflow.path, one.words(), other.words());
        violations.extend(unless(named(one, 1)? != named(other, 1)?, expected, named(one, 1)?));
    }
    Ok(violations)
}

/// What is in a group twice waits for itself, or is cancelled by itself: a job in the group of its run or of its caller, and
/// the jobs of one matrix in one group.
fn not_itself(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let group =
            |it: &Concurrency| evaluated(workflow, Event::MAIN, 1, &it.group).unwrap_or_else(|| it.group.clone());
        let mut violations = Vec::new();
        for job in &workflow.jobs {
            let around: Vec<&Concurrency> = workflow.concurrency.iter().chain(&job.concurrency).collect();
            for (number, inner) in around.iter().enumerate() {
                let twice = around[..number].iter().any(|outer| group(outer) == group(inner));
                let expected = format!("{}: {} has another group than what it is in", workflow.path, inner.place);
                violations.extend(unless(!twice, expected, &*inner.group));
            }
            if let Some(own) = job.concurrency.last().filter(|it| it.place == job.id && job.strategy.is_some()) {
                let differs = contexts(&own.group).iter().any(|name| varies(name));
                let expected = format!("{}: each job of the matrix {} has a group of its own", workflow.path, job.id);
                violations.extend(unless(differs, expected, &*own.group));
            }
        }
        violations
    })
}

/// Whether a context is another in each job of a matrix.
fn varies(name: &str) -> bool {
    name.starts_with("matrix.") || name.starts_with("strategy.job-index")
}

/// The value of a text in one of several runs. Of a matrix any job will do.
fn evaluated(workflow: &Workflow, event: Event, run: u8, text: &str) -> Option<String> {
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
