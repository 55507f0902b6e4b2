//! FR-017: if any architecture fails to build, nothing is published anywhere.

use super::{
    prelude::*,
    workflows::{builds, commands_of, ids, makes_visible, publishing_jobs},
};
use crate::{
    oracle::{equal, staging},
    scenario::Scenario::{BuildFails, HandoverForeign, HandoverMissing, Killed, PushFails, Releases, TagRefused},
    workflow::{Command, Event, Job, Outcome, Workflow, awaited, outcomes, runs_after},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("what_makes_an_image_visible_waits_for_every_build", &["FR-017", "SC-008"], waits),
    Check::workflow("nothing_becomes_visible_after_a_failure", &["FR-017", "SC-008"], stops),
    Check::pipeline(
        "nothing_is_published_when_one_platform_fails_to_build",
        &["FR-017", "SC-008"],
        BuildFails,
        |evidence| publishes_nothing(evidence, "arm64 fails"),
    ),
    Check::pipeline("latest_is_still_there_when_a_build_fails", &["FR-017", "SC-006"], BuildFails, still_there),
    Check::pipeline(
        "nothing_is_published_when_one_platform_cannot_be_pushed",
        &["FR-017", "SC-008"],
        PushFails,
        |evidence| faults_fired(evidence).and_then(|()| publishes_nothing(evidence, "arm64 cannot be pushed")),
    ),
    Check::pipeline(
        "nothing_is_published_when_a_hand_over_is_missing",
        &["FR-017", "SC-008"],
        HandoverMissing,
        |evidence| merge_refuses(evidence, "amd64 only"),
    ),
    Check::pipeline(
        "nothing_is_published_when_a_hand_over_is_foreign",
        &["FR-017", "SC-008"],
        HandoverForeign,
        |evidence| merge_refuses(evidence, "mixed"),
    ),
    // Two registries must never stay apart: the tag is put back where it moved.
    Check::pipeline(
        "what_one_registry_does_not_take_is_tagged_nowhere",
        &["FR-017", "SC-006"],
        TagRefused,
        |evidence| faults_fired(evidence).and_then(|()| fails_and_moves_nothing(evidence, "refused")),
    ),
    Check::pipeline("no_tag_moves_before_everything_is_everywhere", &["FR-017", "SC-008"], Releases, staged_first),
    Check::pipeline("a_run_that_was_killed_is_healed_by_the_next", &["FR-017", "SC-008"], Killed, healed),
];

/// A run that fails because of one platform must leave `latest` as good as it was: no user may notice.
fn still_there(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    let span = run(evidence, "arm64 fails")?.span_ms();
    let samples = evidence.samples_of("latest").into_iter();
    let samples = samples.filter(|it| it.until_ms >= *span.start() && it.at_ms <= *span.end());
    let mut violations = Vec::new();
    for it in samples.filter(|sample| sample.digest.is_none() || !sample.whole) {
        let seen = it.digest.as_ref().map_or("it is gone".to_owned(), |digest| format!("it is {digest}, not whole"));
        let expected = format!("{}:latest is there all the while", it.server);
        violations.push(Violation::new(expected, format!("{seen}, {} ms after the start", it.at_ms)));
    }
    violations.dedup_by(|a, b| a.expected == b.expected);
    Ok([explained(evidence, &span, violations), unmoved(evidence, "good", "arm64 fails", &[])?].concat())
}

fn merge_refuses(evidence: &Evidence, name: &str) -> Judgement {
    stages(run(evidence, name)?, Stage::Merge)?;
    publishes_nothing(evidence, name)
}

fn staged_first(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, tag) in RELEASES {
        works(evidence, name)?;
        let span = run(evidence, name)?.span_ms();
        violations
            .extend(within(&evidence.history, [span], |part| staging(part, REPOSITORY, &evidence.registries, &[tag])));
    }
    Ok(violations)
}

fn healed(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    Ok([published(evidence, "next")?, equal(after(evidence, "next")?, "latest")].concat())
}

/// Of the jobs that publish, one comes after all others: it makes visible what they made.
fn waits(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        violations.extend(jobs.iter().filter_map(|job| early_pushes(workflow, job)));
        let last = last(workflow, &jobs);
        violations.extend(unless(
            last.len() <= 1,
            format!("{}: one job publishes what all others have made", workflow.path),
            format!("{} do not wait for each other", ids(&last).join(" and ")),
        ));
        if let [only] = jobs.as_slice() {
            violations.extend(unless(
                only.strategy.is_none(),
                format!("{}: a job after {} publishes for all platforms together", workflow.path, only.id),
                "there is none: each platform is published by itself",
            ));
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
                Some(runs) => violations.extend(unless(
                    !runs,
                    format!("{}: {later} does not run when {before} {how}", workflow.path),
                    format!("it does, if: {condition}"),
                )),
                None => unknown = Some(format!("whether {later} runs after {before} {how}: {condition}")),
            };
            for last in last(workflow, &jobs) {
                let condition = || last.gates.iter().find_map(|gate| gate.condition.clone()).unwrap_or_default();
                for awaited in awaited(workflow, last) {
                    let outcome = outcomes(workflow, Event::MAIN, Some((&awaited.id, earlier)))[last.id.as_str()];
                    let runs = (outcome != Outcome::Open).then_some(outcome != Outcome::Skipped);
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
