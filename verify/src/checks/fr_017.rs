//! FR-017: if any architecture fails to build, nothing is published anywhere.

use super::{
    support::{after, explained, failed, faults_fired, run, tag_writes, works},
    workflows::{builds, commands_of, makes_visible, publishing_jobs},
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Stage},
    oracle::{Violation, staging, untouched, within},
    scenario::{REPOSITORY, Scenario},
    workflow::{Command, Event, Job, Outcome, Workflow, awaited, outcomes, runs_after},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("what_makes_an_image_visible_waits_for_every_build", &["FR-017", "SC-008"], waits),
    Check::workflow("nothing_becomes_visible_after_a_failure", &["FR-017", "SC-008"], stops),
    Check::pipeline(
        "nothing_is_published_when_one_platform_fails_to_build",
        &["FR-017", "SC-008"],
        Scenario::BuildFails,
        |evidence| nothing_published(evidence, "arm64 fails"),
    ),
    Check::pipeline(
        "latest_is_still_there_when_a_build_fails",
        &["FR-017", "SC-006"],
        Scenario::BuildFails,
        |evidence| still_there(evidence, "arm64 fails"),
    ),
    Check::pipeline(
        "nothing_is_published_when_one_platform_cannot_be_pushed",
        &["FR-017", "SC-008"],
        Scenario::PushFails,
        |evidence| faults_fired(evidence).and_then(|()| nothing_published(evidence, "arm64 cannot be pushed")),
    ),
    Check::pipeline(
        "nothing_is_published_when_a_hand_over_is_missing",
        &["FR-017", "SC-008"],
        Scenario::HandoverMissing,
        |evidence| merge_refuses(evidence, "amd64 only"),
    ),
    Check::pipeline(
        "nothing_is_published_when_a_hand_over_is_foreign",
        &["FR-017", "SC-008"],
        Scenario::HandoverForeign,
        |evidence| merge_refuses(evidence, "mixed"),
    ),
    Check::pipeline(
        "what_one_registry_does_not_take_is_tagged_nowhere",
        &["FR-017", "SC-006"],
        Scenario::TagRefused,
        tagged_nowhere,
    ),
    Check::pipeline(
        "no_tag_moves_before_everything_is_everywhere",
        &["FR-017", "SC-008"],
        Scenario::Releases,
        staged_first,
    ),
    Check::pipeline("a_run_that_was_killed_is_healed_by_the_next", &["FR-017", "SC-008"], Scenario::Killed, healed),
];

fn nothing_published(evidence: &Evidence, name: &str) -> Judgement {
    works(evidence, "good")?;
    let run = run(evidence, name)?;
    let mut violations = failed(run);
    let moved = untouched(after(evidence, "good")?, after(evidence, name)?, &[]);
    violations.extend(explained(evidence, run.span_ms(), moved));
    violations.extend(tag_writes(evidence, run, &[]));
    Ok(violations)
}

/// A run that fails because of one platform must leave `latest` as good as it was: no user may notice.
fn still_there(evidence: &Evidence, name: &str) -> Judgement {
    works(evidence, "good")?;
    let (began, ended) = run(evidence, name)?.span_ms();
    let samples = evidence.samples_of("latest").into_iter().filter(|it| it.until_ms >= began && it.at_ms <= ended);
    let gone = samples.filter(|sample| sample.digest.is_none() || !sample.whole);
    let mut violations: Vec<Violation> = gone
        .map(|it| {
            let seen =
                it.digest.as_deref().map_or("it is gone".to_owned(), |digest| format!("it is {digest}, not whole"));
            Violation::new(
                format!("{}:latest is there all the while", it.server),
                format!("{seen}, {} ms after the start", it.at_ms),
            )
        })
        .collect();
    violations.dedup_by(|a, b| a.expected == b.expected);
    violations.extend(untouched(after(evidence, "good")?, after(evidence, name)?, &[]));
    Ok(explained(evidence, (began, ended), violations))
}

fn merge_refuses(evidence: &Evidence, name: &str) -> Judgement {
    let run = run(evidence, name)?;
    super::support::stages(run, Stage::Merge)?;
    nothing_published(evidence, name)
}

/// Two registries must never stay apart: the tag is put back where it moved.
fn tagged_nowhere(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    let run = run(evidence, "refused")?;
    let moved = untouched(after(evidence, "good")?, after(evidence, "refused")?, &[]);
    Ok([failed(run), explained(evidence, run.span_ms(), moved)].concat())
}

fn staged_first(evidence: &Evidence) -> Judgement {
    let servers: Vec<&str> = evidence.registries.iter().map(String::as_str).collect();
    let mut violations = Vec::new();
    for (name, tag) in [("first main", "latest"), ("release v1.2.0", "1.2.0"), ("second main", "latest")] {
        works(evidence, name)?;
        let span = run(evidence, name)?.span_ms();
        violations.extend(within(&evidence.history, [span], |part| staging(part, REPOSITORY, &servers, &[tag])));
    }
    Ok(violations)
}

fn healed(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    let mut violations = super::support::published(evidence, "next")?;
    let shown = super::support::tag(after(evidence, "next")?, "latest");
    let digests: std::collections::BTreeSet<_> = shown.values().collect();
    if digests.len() != 1 || digests.contains(&None) {
        violations.push(Violation::new("latest is the same image on all registries again", format!("{shown:?}")));
    }
    Ok(violations)
}

/// Of the jobs that publish, one comes after all others: it makes visible what they made.
fn waits(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        violations.extend(jobs.iter().filter_map(|job| early_pushes(workflow, job)));
        let last = last(workflow, &jobs);
        if last.len() > 1 {
            let names: Vec<&str> = last.iter().map(|job| job.id.as_str()).collect();
            let expected = format!("{}: one job publishes what all others have made", workflow.path);
            violations.push(Violation::new(expected, format!("{} do not wait for each other", names.join(" and "))));
        }
        if let ([only], [_]) = (jobs.as_slice(), last.as_slice())
            && only.strategy.is_some()
        {
            let expected = format!("{}: a job after {} publishes for all platforms together", workflow.path, only.id);
            violations.push(Violation::new(expected, "there is none: each platform is published by itself"));
        }
    }
    Ok(violations)
}

/// Within one job, nothing is built after something has become visible.
fn early_pushes(workflow: &Workflow, job: &Job) -> Option<Violation> {
    let commands: Vec<Command> = job.steps.iter().flat_map(commands_of).collect();
    let visible = commands.iter().position(makes_visible)?;
    let build = commands[visible + 1..].iter().find(|command| builds(command))?;
    let expected = format!("{}: {} builds everything before anything is visible", workflow.path, job.id);
    let seen = format!("{} comes before {}", commands[visible].words.join(" "), build.words.join(" "));
    Some(Violation::new(expected, seen))
}

/// Whichever job or step fails or is cancelled before what makes the image visible: that does not run.
fn stops(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    let mut unknown = None;
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (earlier, how) in [(Outcome::Fails, "failed"), (Outcome::Cancelled, "was cancelled")] {
            let mut judge = |later: &str, runs: Option<bool>, before: &str, condition: String| match runs {
                Some(false) => {}
                Some(true) => {
                    let expected = format!("{}: {later} does not run when {before} {how}", workflow.path);
                    violations.push(Violation::new(expected, format!("it does, if: {condition}")));
                }
                None => {
                    unknown.get_or_insert_with(|| format!("whether {later} runs after {before} {how}: {condition}"));
                }
            };
            for last in last(workflow, &jobs) {
                let condition = || last.gates.iter().find_map(|gate| gate.condition.clone()).unwrap_or_default();
                for awaited in awaited(workflow, last) {
                    let outcomes = outcomes(workflow, Event::MAIN, Some((&awaited.id, earlier)));
                    let runs = match outcomes.get(last.id.as_str()) {
                        Some(Outcome::Open) | None => None,
                        Some(outcome) => Some(*outcome != Outcome::Skipped),
                    };
                    judge(&last.id, runs, &awaited.id, condition());
                }
            }
            for job in &jobs {
                for step in job.steps.iter().skip(1).filter(|step| commands_of(step).iter().any(pushes)) {
                    let runs = runs_after(workflow, Event::MAIN, step, earlier);
                    judge(&step.place, runs, "an earlier step", step.conditions.join(" and "));
                }
            }
        }
    }
    match unknown {
        Some(cause) if violations.is_empty() => Err(Inconclusive(cause)),
        _ => Ok(violations),
    }
}

/// Whether a command can make an image visible, `publisher`'s among them.
fn pushes(command: &Command) -> bool {
    let by_publisher = |(program, given): (&str, Vec<&str>)| {
        program == "publisher" && matches!(given.first(), Some(&("publish" | "merge")))
    };
    makes_visible(command) || command.called().is_some_and(by_publisher)
}

/// The jobs that no other of them waits for.
fn last<'a>(workflow: &Workflow, jobs: &[&'a Job]) -> Vec<&'a Job> {
    let awaited: Vec<&str> = jobs.iter().flat_map(|job| awaited(workflow, job)).map(|job| job.id.as_str()).collect();
    jobs.iter().copied().filter(|job| !awaited.contains(&job.id.as_str())).collect()
}
