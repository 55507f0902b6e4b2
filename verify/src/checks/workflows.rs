//! What checks of workflows ask of them.

use std::collections::BTreeSet;

use super::prelude::*;
use crate::workflow::{Access, Command, Event, Filter, Job, Outcome, Step, Workflow, commands, contexts, outcomes};

/// The secret without which nothing is put on Docker Hub.
pub(super) const DOCKERHUB_TOKEN: &str = "secrets.dockerhub_token";
/// The names of the workflow's own token.
pub(super) const GITHUB_TOKEN: [&str; 2] = ["secrets.github_token", "github.token"];

/// The workflows that were read. The claim is unknown if none was.
pub(super) fn workflows(evidence: &Evidence) -> Result<&[Workflow], Inconclusive> {
    require(!evidence.workflows.is_empty(), "no workflow was read")?;
    Ok(&evidence.workflows)
}

/// For what one of a pipeline's workflows must do: the violations of all, unless one has none.
pub(super) fn one(evidence: &Evidence, violations: impl Fn(&Workflow) -> Vec<Violation>) -> Judgement {
    let each: Vec<Vec<Violation>> = workflows(evidence)?.iter().map(violations).collect();
    Ok(unless_one_is_right(&each))
}

fn unless_one_is_right(each: &[Vec<Violation>]) -> Vec<Violation> {
    if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
}

/// For what all workflows must do: the violations of all.
pub(super) fn all(evidence: &Evidence, violations: impl Fn(&Workflow) -> Vec<Violation>) -> Judgement {
    Ok(workflows(evidence)?.iter().flat_map(violations).collect())
}

/// For what all jobs must do, of all workflows. If none is broken and some cannot be read, the claim is unknown.
pub(super) fn each_job(evidence: &Evidence, violations: impl Fn(&Workflow, &Job) -> Vec<Violation>) -> Judgement {
    let found = all(evidence, |workflow| workflow.jobs.iter().flat_map(|job| violations(workflow, job)).collect())?;
    if found.is_empty() {
        seen(evidence)?;
    }
    Ok(found)
}

/// For what all steps must do, of all workflows.
pub(super) fn each_step(evidence: &Evidence, violations: impl Fn(&Workflow, &Step) -> Vec<Violation>) -> Judgement {
    each_job(evidence, |workflow, job| job.steps.iter().flat_map(|step| violations(workflow, step)).collect())
}

/// Makes the claim unknown if jobs cannot be read, or if there are none.
pub(super) fn seen(evidence: &Evidence) -> Result<(), Inconclusive> {
    for workflow in workflows(evidence)? {
        if let Some(unseen) = workflow.unseen.first() {
            let cause = format!("{unseen} is not on this machine; --repository OWNER/NAME=FOLDER says where it is");
            return Err(Inconclusive(cause));
        }
        require(!workflow.jobs.is_empty(), format!("{} has no jobs", workflow.path))?;
    }
    Ok(())
}

/// The jobs that put images on registries: they have Docker Hub's token, and may write packages or do not say what they may.
/// Where no job has both, what has one of the two.
fn publishing(workflow: &Workflow) -> Vec<&Job> {
    let has_token = |job: &Job| holds(job, &[DOCKERHUB_TOKEN]);
    let could_write = |job: &Job| job.permissions.of("packages").is_none_or(|access| access == Access::Write);
    let kinds: [&dyn Fn(&Job) -> bool; 3] =
        [&|job| could_write(job) && has_token(job), &has_token, &may_write_packages];
    let chosen = kinds.iter().map(|is_meant| workflow.jobs.iter().filter(|job| is_meant(job)).collect());
    chosen.into_iter().find(|jobs: &Vec<&Job>| !jobs.is_empty()).unwrap_or_default()
}

/// The same of all workflows, each with its own. The claim is unknown if there are none.
pub(super) fn publishing_jobs(evidence: &Evidence) -> Result<Vec<(&Workflow, Vec<&Job>)>, Inconclusive> {
    seen(evidence)?;
    let jobs: Vec<_> = workflows(evidence)?.iter().map(|workflow| (workflow, publishing(workflow))).collect();
    let found = jobs.iter().any(|(_, jobs)| !jobs.is_empty());
    require(found, "no job may write packages or has Docker Hub's token: which one publishes?")?;
    Ok(jobs)
}

/// The names of jobs.
pub(super) fn ids<'a>(jobs: &[&'a Job]) -> Vec<&'a str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

/// Whether a job's token may write packages.
pub(super) fn may_write_packages(job: &Job) -> bool {
    job.permissions.of("packages") == Some(Access::Write)
}

/// Whether any of a job's steps is handed one of some contexts.
pub(super) fn holds(job: &Job, names: &[&str]) -> bool {
    let mut values = job.steps.iter().flat_map(Step::handed);
    values.any(|(_, value)| contexts(value).iter().any(|context| names.contains(&context.as_str())))
}

/// Whether a value is one of some contexts, and nothing else.
pub(super) fn is_only(value: &str, names: &[&str]) -> bool {
    let found = contexts(value);
    let bare = value.trim();
    !found.is_empty()
        && found.iter().all(|context| names.contains(&context.as_str()))
        && bare.starts_with("${{")
        && bare.ends_with("}}")
        && bare.matches("${{").count() == 1
}

/// Contexts that are secret: all secrets and the workflow's token.
pub(super) fn is_secret(context: &str) -> bool {
    context == "secrets" || context.starts_with("secrets.") || context == "github.token"
}

/// The variables of a step that hold secrets. A user's name is none.
pub(super) fn secret_variables(step: &Step) -> BTreeSet<&str> {
    let secret = |value: &str| contexts(value).iter().any(|it| is_secret(it) && !it.ends_with("username"));
    step.env.iter().filter(|(_, value)| secret(value)).map(|(name, _)| name.as_str()).collect()
}

/// Violations unless each of some events starts one workflow.
pub(super) fn starts(evidence: &Evidence, events: &[Event]) -> Judgement {
    one(evidence, |workflow| events.iter().flat_map(|event| started(workflow, *event)).collect())
}

fn started(workflow: &Workflow, event: Event) -> Vec<Violation> {
    let seen = match (&workflow.push, event) {
        (_, Event::ByHand) => format!("it is started by {}", workflow.events.join(", ")),
        (None, _) => format!("no push does; it is started by {}", workflow.events.join(", ")),
        (Some(push), _) => {
            let shown = |filter: &Option<Filter>| filter.as_ref().map_or_else(|| "none".to_owned(), Filter::shown);
            format!("only these pushes do: branches {}, tags {}", shown(&push.branches), shown(&push.tags))
        }
    };
    unless(event.starts(workflow), format!("{}: {} starts it", workflow.path, event.words()), seen)
}

/// Violations unless an event makes a workflow publish: of the jobs that publish for all platforms together, it must not be
/// certain that none runs.
pub(super) fn publishes(evidence: &Evidence, event: Event) -> Judgement {
    let mut jobs = publishing_jobs(evidence)?;
    jobs.retain(|(workflow, _)| event.starts(workflow));
    require(!jobs.is_empty(), format!("{} starts nothing", event.words()))?;
    let judge = |(workflow, jobs): (&Workflow, Vec<&Job>)| {
        let outcomes = outcomes(workflow, event, None);
        let mut last = jobs.clone();
        last.retain(|job| job.strategy.is_none());
        let last = if last.is_empty() { jobs } else { last };
        unless(
            ids(&last).iter().any(|id| outcomes[id] != Outcome::Skipped),
            format!("{}: {} runs at {}", workflow.path, ids(&last).join(" or "), event.words()),
            "it is skipped: its condition, or that of what it needs, rules that out",
        )
    };
    let each: Vec<Vec<Violation>> = jobs.into_iter().map(judge).collect();
    Ok(unless_one_is_right(&each))
}

/// Whether a script uses a variable's value, in quotes that let it through.
pub(super) fn uses_variable(word: &str, name: &str) -> bool {
    if word.starts_with('\'') && word.ends_with('\'') {
        return false;
    }
    let ends = |rest: &str| !rest.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
    ["$", "${"]
        .iter()
        .any(|sign| word.match_indices(&format!("{sign}{name}")).any(|(at, found)| ends(&word[at + found.len()..])))
}

/// The commands of a step's script. What stands in a loop is there twice, since it follows itself.
pub(super) fn commands_of(step: &Step) -> Vec<Command> {
    let mut unrolled = Vec::new();
    let mut loops = Vec::new();
    for command in commands(step.script().unwrap_or_default()) {
        match command.words.first().map(String::as_str) {
            Some("for" | "while" | "until") => loops.push(unrolled.len()),
            Some("done") => {
                let body = loops.pop().map_or(Vec::new(), |start: usize| unrolled[start..].to_vec());
                unrolled.extend(body);
            }
            _ => {}
        }
        unrolled.push(command);
    }
    unrolled
}

/// Whether a command of another program than `publisher` builds an image.
pub(super) fn builds(command: &Command) -> bool {
    let Some((program, given)) = command.called() else { return false };
    matches!(program, "podman" | "buildah" | "docker")
        && (matches!(given.first(), Some(&("build" | "bud"))) || given.starts_with(&["buildx", "build"]))
}

/// Whether a command of another program than `publisher` puts an image on a registry under a tag.
pub(super) fn makes_visible(command: &Command) -> bool {
    let Some((program, given)) = command.called() else { return false };
    let by_digest = given.iter().any(|word| word.contains('@'));
    let writes = match program {
        "podman" | "buildah" | "docker" => match given.as_slice() {
            ["push", ..] | ["manifest", "push", ..] | ["buildx", "imagetools", "create", ..] => true,
            ["build", ..] | ["buildx", "build", ..] => given.contains(&"--push"),
            _ => false,
        },
        "skopeo" => matches!(given.first(), Some(&("copy" | "sync"))),
        "crane" | "regctl" | "oras" => {
            given.iter().any(|word| matches!(*word, "push" | "copy" | "cp" | "tag" | "append" | "create"))
        }
        _ => false,
    };
    writes && !by_digest
}

/// Whether a step shows something at the run in GitHub: an annotation, or text in the summary.
pub(super) fn annotates(step: &Step) -> bool {
    let signs = ["::error", "GITHUB_STEP_SUMMARY", "core.error", "core.setFailed", "core.summary"];
    step.script().is_some_and(|script| signs.iter().any(|sign| script.contains(sign)))
}
