//! FR-015: success and failure are visible in the GitHub repository: status, summary, annotations.

use super::{
    prelude::*,
    workflows::{annotates, builds, each_job, makes_visible, publishing_jobs},
};
use crate::workflow::{Command, Does, Event, Job, Outcome, Step, Workflow, awaited, commands, outcomes, runs_after};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("no_failure_is_overlooked", &["FR-015", "FR-017"], not_overlooked),
    Check::workflow("a_platform_that_fails_does_not_end_the_others", &["FR-015"], no_fail_fast),
    Check::workflow("a_failed_or_cancelled_run_is_told", &["FR-015", "SC-009"], told),
    Check::pipeline("a_success_is_summed_up", &["FR-015"], Scenario::Releases, summed_up),
    Check::pipeline("a_success_names_the_tag_and_the_digest", &["FR-015"], Scenario::Releases, names_tag_and_digest),
    Check::pipeline("a_failed_build_is_annotated", &["FR-015", "SC-009"], Scenario::BuildFails, |evidence| {
        annotated(evidence, "arm64 fails")
    }),
    Check::pipeline("a_failed_build_names_its_platform", &["FR-015"], Scenario::BuildFails, |evidence| {
        named(evidence, "arm64 fails", &["arm64"])
    }),
    Check::pipeline("a_failed_push_is_annotated", &["FR-015", "SC-009"], Scenario::Refusals, |evidence| {
        annotated(evidence, "down")
    }),
    Check::pipeline("a_failed_push_names_its_registry", &["FR-015"], Scenario::Refusals, |evidence| {
        named(evidence, "down", &["dockerhub", "docker hub", "docker.io", &evidence.address("dockerhub")])
    }),
    Check::pipeline("a_refused_version_is_annotated", &["FR-015", "SC-009"], Scenario::BadVersion, |evidence| {
        annotated(evidence, "v1.2")
    }),
];

fn summed_up(evidence: &Evidence) -> Judgement {
    let merge = stages(run(evidence, "first main")?, Stage::Merge)?;
    let written = merge.iter().any(|stage| !stage.summary.trim().is_empty());
    Ok(unless(written, "merge writes a job summary", "it is empty"))
}

fn names_tag_and_digest(evidence: &Evidence) -> Judgement {
    let merge = stages(run(evidence, "release v1.2.0")?, Stage::Merge)?;
    let told: Vec<String> = merge.iter().flat_map(|stage| [stage.printed(), stage.summary.clone()]).collect();
    let told = told.join("\n");
    let mut violations = unless(told.contains("1.2.0"), "merge tells the tag", "1.2.0 is not in its output or summary");
    for digest in after(evidence, "release v1.2.0")?.iter().filter_map(|snapshot| snapshot.tags.get("1.2.0")) {
        let seen = format!("{digest} is not in its output or summary");
        violations.extend(unless(told.contains(digest), "merge tells the digest", seen));
    }
    Ok(violations)
}

/// A failed stage must leave an error annotation: that is what GitHub shows at the commit.
fn annotated(evidence: &Evidence, name: &str) -> Judgement {
    let run = run(evidence, name)?;
    let silent = run.failed_stages().filter(|stage| errors(stage).next().is_none());
    let expected = |stage| format!("{stage} of `{name}` prints an annotation, `::error…::…`");
    Ok(failed(run).into_iter().chain(silent.map(|it| Violation::new(expected(it), failure(it)))).collect())
}

/// The annotations or the summary of what failed must name it: who reads them has not opened the log.
fn named(evidence: &Evidence, run_name: &str, names: &[&str]) -> Judgement {
    let run = run(evidence, run_name)?;
    let annotations = run.stages.iter().flat_map(errors);
    let told: Vec<&str> = annotations.chain(run.failed_stages().map(|stage| stage.summary.as_str())).collect();
    let told_lower = told.join("\n").to_lowercase();
    let seen = match run.failed_stages().next() {
        Some(stage) => format!("annotations and summaries say: {}\n{}", told.join(" "), failure(stage)),
        None => "every stage ended with 0, and no annotation tells of an error".to_owned(),
    };
    Ok(unless(
        names.iter().any(|name| told_lower.contains(&name.to_lowercase())),
        format!("an annotation or the summary of `{run_name}` names {}", names.join(" or ")),
        seen,
    ))
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
        let steps = job.steps.iter().map(|step| (&step.place, &step.continue_on_error));
        let continues = [(&job.id, &job.continue_on_error)].into_iter().chain(steps).filter(|(_, it)| *it != "false");
        let continues = continues.map(|(place, it)| (place, format!("continue-on-error is {it}")));
        let lost = job.steps.iter().filter_map(|step| Some((&step.place, overlooked(step)?)));
        let expected = |place| format!("{}: {place} fails the run when it fails", workflow.path);
        continues.chain(lost).map(|(place, seen)| Violation::new(expected(place), seen)).collect()
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

fn no_fail_fast(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (job, strategy) in jobs.iter().filter_map(|job| Some((job, job.strategy.as_ref()?))) {
            let expected = format!("{}: {} has fail-fast: false", workflow.path, job.id);
            let seen = format!("it is {}, which is the default", strategy.fail_fast);
            violations.extend(unless(strategy.fail_fast == "false", expected, seen));
        }
    }
    Ok(violations)
}

/// What publishes annotates its failure itself, as `publisher` does, or a later step or job does.
fn told(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for job in jobs {
            let told =
                publisher_alone_publishes(job) || annotated_by_step(workflow, job) || annotated_by_job(workflow, job);
            let expected = format!("{}: a failed {} leaves an annotation", workflow.path, job.id);
            let seen = "no step of it and no job after it that runs after a failure writes one";
            violations.extend(unless(told, expected, seen));
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
