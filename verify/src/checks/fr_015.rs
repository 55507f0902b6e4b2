//! FR-015: success and failure are visible in the GitHub repository: status, summary, annotations.

use super::{
    support::{failure, run, shown, stages},
    workflows::{annotates, builds, each_job, makes_visible, publishing_jobs},
};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Run, Stage, StageRun},
    oracle::Violation,
    scenario::Scenario,
    workflow::{Command, Does, Event, Job, Outcome, Step, Workflow, awaited, commands, outcomes, runs_after},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("no_failure_is_overlooked", &["FR-015", "FR-017"], not_overlooked),
    Check::workflow("a_platform_that_fails_does_not_end_the_others", &["FR-015"], all_tell),
    Check::workflow("a_failed_or_cancelled_run_is_told", &["FR-015", "SC-009"], told),
    Check::pipeline("a_success_is_summed_up", &["FR-015"], Scenario::Releases, summed_up),
    Check::pipeline(
        "a_success_names_the_tag_and_the_digest",
        &["FR-015"],
        Scenario::Releases,
        names_what_was_published,
    ),
    Check::pipeline("a_failed_build_is_annotated", &["FR-015", "SC-009"], Scenario::BuildFails, build_annotated),
    Check::pipeline("a_failed_build_names_its_platform", &["FR-015"], Scenario::BuildFails, build_named),
    Check::pipeline("a_failed_push_is_annotated", &["FR-015", "SC-009"], Scenario::Refusals, push_annotated),
    Check::pipeline("a_failed_push_names_its_registry", &["FR-015"], Scenario::Refusals, push_named),
    Check::pipeline("a_refused_version_is_annotated", &["FR-015", "SC-009"], Scenario::BadVersion, version_annotated),
];

fn summed_up(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "first main")?;
    let merge = stages(run, Stage::Merge)?;
    let summary: String = merge.iter().map(|stage| stage.summary.as_str()).collect();
    if summary.trim().is_empty() {
        return Ok(vec![Violation::new("merge writes a job summary", "it is empty")]);
    }
    Ok(Vec::new())
}

fn names_what_was_published(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "release v1.2.0")?;
    let merge = stages(run, Stage::Merge)?;
    let told: Vec<String> = merge.iter().flat_map(|stage| [stage.printed(), stage.summary.clone()]).collect();
    let told = told.join("\n");
    let mut violations = Vec::new();
    if !told.contains("1.2.0") {
        violations.push(Violation::new("merge tells the tag", "1.2.0 is not in its output or summary"));
    }
    for snapshot in super::support::after(evidence, "release v1.2.0")? {
        if let Some(digest) = snapshot.tags.get("1.2.0").filter(|digest| !told.contains(digest.as_str())) {
            violations
                .push(Violation::new("merge tells the digest", format!("{digest} is not in its output or summary")));
        }
    }
    Ok(violations)
}

fn build_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "arm64 fails")?)
}

fn push_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "down")?)
}

fn version_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "v1.2")?)
}

fn build_named(evidence: &Evidence) -> Judgement {
    named(run(evidence, "arm64 fails")?, &["arm64"])
}

fn push_named(evidence: &Evidence) -> Judgement {
    named(run(evidence, "down")?, &["dockerhub", "docker hub", "docker.io", &evidence.address("dockerhub")])
}

/// A failed stage must leave an error annotation: that is what GitHub shows at the commit.
fn annotated(run: &Run) -> Judgement {
    let mut violations = super::support::failed(run);
    for stage in run.stages.iter().filter(|stage| !stage.end.is_success()) {
        if errors(stage).next().is_none() {
            let expected = format!("{} of `{}` prints an annotation, `::error…::…`", shown(stage), run.name);
            violations.push(Violation::new(expected, failure(stage)));
        }
    }
    Ok(violations)
}

/// The annotations or the summary of what failed must name it: who reads them has not opened the log.
fn named(run: &Run, names: &[&str]) -> Judgement {
    let failed: Vec<&StageRun> = run.stages.iter().filter(|stage| !stage.end.is_success()).collect();
    let annotations = run.stages.iter().flat_map(errors).map(str::to_owned);
    let told: Vec<String> = annotations.chain(failed.iter().map(|stage| stage.summary.clone())).collect();
    let told_lower = told.join("\n").to_lowercase();
    if names.iter().any(|name| told_lower.contains(&name.to_lowercase())) {
        return Ok(Vec::new());
    }
    let seen = match failed.first() {
        Some(stage) => format!("annotations and summaries say: {}\n{}", told.join(" "), failure(stage)),
        None => "every stage ended with 0, and no annotation tells of an error".to_owned(),
    };
    Ok(vec![Violation::new(
        format!("an annotation or the summary of `{}` names {}", run.name, names.join(" or ")),
        seen,
    )])
}

/// The error annotations of a stage.
fn errors(stage: &StageRun) -> impl Iterator<Item = &str> {
    let lines = stage.stdout.lines().chain(stage.stderr.lines()).map(str::trim_start);
    lines.filter(|line| line.starts_with("::error"))
}

/// Programs that build and publish.
const PUBLISHING: &[&str] = &["buildah", "crane", "docker", "podman", "publisher", "regctl", "skopeo"];

/// Of jobs and steps that publish, and of commands within them: what fails must fail the run.
fn not_overlooked(evidence: &Evidence) -> Judgement {
    let publishing = publishing_jobs(evidence)?;
    each_job(evidence, |workflow, job| {
        if !publishing.iter().any(|(_, jobs)| jobs.iter().any(|it| std::ptr::eq(*it, job))) {
            return Vec::new();
        }
        let expected = |place: &str| format!("{}: {place} fails the run when it fails", workflow.path);
        let mut violations = Vec::new();
        if job.continue_on_error != "false" {
            violations
                .push(Violation::new(expected(&job.id), format!("continue-on-error is {}", job.continue_on_error)));
        }
        for step in &job.steps {
            if step.continue_on_error != "false" {
                let seen = format!("continue-on-error is {}", step.continue_on_error);
                violations.push(Violation::new(expected(&step.place), seen));
            }
            violations.extend(overlooked(step).map(|seen| Violation::new(expected(&step.place), seen)));
        }
        violations
    })
}

/// `publisher publish || true`, and without `pipefail` also `publisher publish | tee log`.
fn overlooked(step: &Step) -> Option<String> {
    let commands = commands(step.script()?);
    let publishes = |command: &Command| {
        command.called().is_some_and(|(program, given)| {
            PUBLISHING.contains(&program)
                && !given.first().is_some_and(|it| matches!(*it, "inspect" | "image" | "logout" | "rm" | "rmi"))
        })
    };
    let Does::Run { shell, script } = &step.does else { return None };
    // With `shell: bash`, GitHub sets pipefail; with its own choice it does not ("defaults.run.shell").
    let pipefail = script.contains("pipefail") || shell.as_deref().is_some_and(|shell| shell == "bash");
    let stops = !script.contains("set +e");
    commands.iter().zip(commands.iter().skip(1)).find_map(|(command, next)| {
        let forgiven = command.then == "||" && next.called().is_some_and(|(it, _)| matches!(it, "true" | ":" | "echo"));
        let lost = command.then == "|" && !pipefail;
        (publishes(command) && (forgiven || lost || !stops))
            .then(|| format!("{} {} {}", command.words.join(" "), command.then, next.words.join(" ")))
    })
}

fn all_tell(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (job, strategy) in jobs.iter().filter_map(|job| Some((job, job.strategy.as_ref()?))) {
            if strategy.fail_fast != "false" {
                let expected = format!("{}: {} has fail-fast: false", workflow.path, job.id);
                violations
                    .push(Violation::new(expected, format!("it is {}, which is the default", strategy.fail_fast)));
            }
        }
    }
    Ok(violations)
}

/// What publishes annotates its failure itself, as `publisher` does, or a later step or job does.
fn told(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for job in jobs {
            if !publisher_alone_publishes(job) && !annotated_by_step(workflow, job) && !annotated_by_job(workflow, job)
            {
                let expected = format!("{}: a failed {} leaves an annotation", workflow.path, job.id);
                let seen = "no step of it and no job after it that runs after a failure writes one";
                violations.push(Violation::new(expected, seen));
            }
        }
    }
    Ok(violations)
}

/// Commands of `publisher` that publish nothing.
const WITHOUT_PUBLISHING: &[&str] = &["clean", "doctor", "help", "init", "plan"];

/// Whether the job's images are built and pushed by `publisher` alone, with what it prints in the log.
fn publisher_alone_publishes(job: &Job) -> bool {
    let commands: Vec<Command> =
        job.steps.iter().flat_map(|step| commands(step.script().unwrap_or_default())).collect();
    let publishes = |command: &Command| {
        command.called().is_some_and(|(program, given)| {
            let subcommand = given.first().is_some_and(|it| !it.starts_with('-') && !WITHOUT_PUBLISHING.contains(it));
            program == "publisher" && subcommand && command.written_to().is_none()
        })
    };
    let others = |command: &Command| {
        let pushes =
            command.called().is_some_and(|(_, given)| given.contains(&"push") || given.first() == Some(&"copy"));
        builds(command) || makes_visible(command) || pushes
    };
    commands.iter().any(publishes) && !commands.iter().any(others)
}

fn annotated_by_step(workflow: &Workflow, job: &Job) -> bool {
    let after_failure = |step: &Step| runs_after(workflow, Event::MAIN, step, Outcome::Fails) != Some(false);
    job.steps.iter().any(|step| annotates(step) && after_failure(step))
}

fn annotated_by_job(workflow: &Workflow, job: &Job) -> bool {
    let outcomes = outcomes(workflow, Event::MAIN, Some((&job.id, Outcome::Fails)));
    let runs = |other: &Job| outcomes.get(other.id.as_str()).is_some_and(|it| *it != Outcome::Skipped);
    // A job that does not run at this event cannot fail.
    if !runs(job) {
        return true;
    }
    let later = workflow.jobs.iter().filter(|other| awaited(workflow, other).iter().any(|it| it.id == job.id));
    later.filter(|other| runs(other)).any(|other| other.steps.iter().any(annotates))
}
