//! What judges of workflows ask of them.

use std::collections::BTreeSet;

use crate::{
    check::{Inconclusive, Judgement},
    evidence::Evidence,
    oracle::Violation,
    workflow::{Access, Command, Event, Filter, Job, Outcome, Step, Workflow, commands, contexts, outcomes},
};

/// The secret without which nothing is put on Docker Hub.
pub(super) const DOCKERHUB_TOKEN: &str = "secrets.dockerhub_token";
/// The names of the workflow's own token.
pub(super) const GITHUB_TOKEN: [&str; 2] = ["secrets.github_token", "github.token"];

/// The workflows that were read; if none was, the question is open.
pub(super) fn workflows(evidence: &Evidence) -> Result<&[Workflow], Inconclusive> {
    if evidence.workflows.is_empty() {
        Err(Inconclusive("no workflow was read".into()))
    } else {
        Ok(&evidence.workflows)
    }
}

/// For what one of a pipeline's workflows must do: the violations of all, unless one has none.
pub(super) fn one(evidence: &Evidence, violations: impl Fn(&Workflow) -> Vec<Violation>) -> Judgement {
    let each: Vec<Vec<Violation>> = workflows(evidence)?.iter().map(violations).collect();
    Ok(if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() })
}

/// For what all workflows must do: the violations of all.
pub(super) fn all(evidence: &Evidence, violations: impl Fn(&Workflow) -> Vec<Violation>) -> Judgement {
    Ok(workflows(evidence)?.iter().flat_map(violations).collect())
}

/// For what all jobs must do, of all workflows. If none is broken, those that cannot be seen leave the question open.
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

/// Leaves the question open if jobs cannot be seen, or if there are none.
pub(super) fn seen(evidence: &Evidence) -> Result<(), Inconclusive> {
    let workflows = workflows(evidence)?;
    if let Some(unseen) = workflows.iter().find_map(|it| it.unseen.first()) {
        let cause = format!("{unseen} is not on this machine; --repository OWNER/NAME=FOLDER says where it is");
        return Err(Inconclusive(cause));
    }
    match workflows.iter().find(|workflow| workflow.jobs.is_empty()) {
        Some(workflow) => Err(Inconclusive(format!("{} has no jobs", workflow.path))),
        None => Ok(()),
    }
}

/// The jobs that put images on registries: they have Docker Hub's token, and may write packages or do not say what they may.
/// Where no job has both, what has one of the two.
pub(super) fn publishing(workflow: &Workflow) -> Vec<&Job> {
    let chosen =
        |meant: &dyn Fn(&Job) -> bool| -> Vec<&Job> { workflow.jobs.iter().filter(|job| meant(job)).collect() };
    let could_write = |job: &Job| job.permissions.of("packages").is_none_or(|access| access == Access::Write);
    let both = chosen(&|job| could_write(job) && holds(job, &[DOCKERHUB_TOKEN]));
    let either: [&dyn Fn(&Job) -> bool; 2] = [&|job| holds(job, &[DOCKERHUB_TOKEN]), &may_write_packages];
    either.iter().fold(both, |found, meant| if found.is_empty() { chosen(meant) } else { found })
}

/// The same of all workflows, each with its own; if there is none, the question is open.
pub(super) fn publishing_jobs(evidence: &Evidence) -> Result<Vec<(&Workflow, Vec<&Job>)>, Inconclusive> {
    seen(evidence)?;
    let jobs: Vec<_> = workflows(evidence)?.iter().map(|workflow| (workflow, publishing(workflow))).collect();
    if jobs.iter().all(|(_, jobs)| jobs.is_empty()) {
        return Err(Inconclusive("no job may write packages or has Docker Hub's token: which one publishes?".into()));
    }
    Ok(jobs)
}

/// Whether a job's token may write packages.
pub(super) fn may_write_packages(job: &Job) -> bool {
    job.permissions.of("packages") == Some(Access::Write)
}

/// Whether any of a job's steps is handed one of some contexts.
pub(super) fn holds(job: &Job, names: &[&str]) -> bool {
    job.steps.iter().any(|step| step_holds(step, names))
}

/// Whether a step is handed one of some contexts.
pub(super) fn step_holds(step: &Step, names: &[&str]) -> bool {
    step.handed().any(|(_, value)| contexts(value).iter().any(|context| names.contains(&context.as_str())))
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

/// A violation unless an event starts a workflow.
pub(super) fn started(workflow: &Workflow, event: Event) -> Vec<Violation> {
    if event.starts(workflow) {
        return Vec::new();
    }
    let seen = match (&workflow.push, event) {
        (_, Event::ByHand) => format!("it is started by {}", workflow.events.join(", ")),
        (None, _) => format!("no push does; it is started by {}", workflow.events.join(", ")),
        (Some(push), _) => {
            let shown = |filter: &Option<Filter>| filter.as_ref().map_or_else(|| "none".to_owned(), Filter::shown);
            format!("only these pushes do: branches {}, tags {}", shown(&push.branches), shown(&push.tags))
        }
    };
    vec![Violation::new(format!("{}: {} starts it", workflow.path, event.words()), seen)]
}

/// Violations unless an event makes a workflow publish: of the jobs that publish for all platforms together, it must not be
/// certain that none runs.
pub(super) fn publishes(evidence: &Evidence, event: Event) -> Judgement {
    let jobs = publishing_jobs(evidence)?;
    let started: Vec<_> = jobs.into_iter().filter(|(workflow, _)| event.starts(workflow)).collect();
    if started.is_empty() {
        return Err(Inconclusive(format!("{} starts nothing", event.words())));
    }
    let each = started.into_iter().map(|(workflow, jobs)| {
        let outcomes = outcomes(workflow, event, None);
        let last: Vec<&&Job> = jobs.iter().filter(|job| job.strategy.is_none()).collect();
        let last = if last.is_empty() { jobs.iter().collect() } else { last };
        if last.iter().any(|job| outcomes.get(job.id.as_str()) != Some(&Outcome::Skipped)) {
            return Vec::new();
        }
        let names: Vec<&str> = last.iter().map(|job| job.id.as_str()).collect();
        let expected = format!("{}: {} runs at {}", workflow.path, names.join(" or "), event.words());
        vec![Violation::new(expected, "it is skipped: its condition, or that of what it needs, rules that out")]
    });
    let each: Vec<Vec<Violation>> = each.collect();
    Ok(if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() })
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
