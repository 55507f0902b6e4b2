//! FR-013: Docker Hub's credentials come from the secrets `DOCKERHUB_USERNAME` and `DOCKERHUB_TOKEN`, and stay secret.

use std::collections::BTreeSet;

use super::{
    prelude::*,
    workflows::{
        DOCKERHUB_TOKEN, all, each_step, holds, is_only, is_secret, publishing_jobs, secret_variables, seen,
        uses_variable,
    },
};
use crate::workflow::{Command, Step, Workflow, commands, contexts, template};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("docker_hubs_credentials_are_the_two_secrets", &["FR-013"], the_two_secrets),
    Check::workflow("no_secret_is_written_into_a_script", &["FR-013", "FR-014"], not_in_scripts),
    Check::workflow("no_secret_becomes_an_argument", &["FR-013", "FR-014"], not_an_argument),
    Check::workflow("no_secret_is_printed", &["FR-013", "FR-014"], not_printed),
    Check::workflow("every_action_is_pinned_by_its_commit", &["FR-013", "FR-014"], pinned),
    Check::workflow("no_event_of_strangers_starts_it", &["FR-013", "FR-014"], no_strangers),
    Check::pipeline("docker_hub_knows_who_pushes", &["FR-013", "FR-005"], Scenario::Releases, |evidence| {
        Ok(authenticated(evidence, "dockerhub"))
    }),
    Check::pipeline("a_missing_secret_of_docker_hub_is_told_by_name", &["FR-013"], Scenario::MissingSecrets, missing),
    Check::pipeline("secrets_appear_nowhere", &["FR-013", "FR-014"], Scenario::Releases, nowhere),
    Check::pipeline("secrets_appear_nowhere_when_a_push_fails", &["FR-013", "FR-014"], Scenario::Refusals, nowhere),
];

fn missing(evidence: &Evidence) -> Judgement {
    Ok([missing_secret(evidence, "DOCKERHUB_USERNAME")?, missing_secret(evidence, "DOCKERHUB_TOKEN")?].concat())
}

/// What was printed, written into the summary or the outputs, handed over or left in files, and all arguments of watched
/// programs, hold no secret.
fn nowhere(evidence: &Evidence) -> Judgement {
    require(evidence.runs.iter().any(|run| run.of(Stage::Build).next().is_some()), "nothing was built")?;
    let mut violations = Vec::new();
    for (run, stage) in evidence.runs.iter().flat_map(|run| run.stages.iter().map(move |stage| (run, stage))) {
        let expected = "a secret stands in no output, summary, hand-over, file or argument";
        let seen = |leak| format!("`{}`, {stage}: {leak}", run.name);
        violations.extend(stage.leaks.iter().map(|leak| Violation::new(expected, seen(leak))));
    }
    // A token asked for with a secret in the address ends up in the logs of every proxy on the way.
    let logins =
        requests(evidence, ALWAYS).filter(|(_, it)| it.is(|kind| [Kind::Token, Kind::HubLogin].contains(&kind)));
    let named = logins.filter(|(_, it)| it.path.contains("redacted"));
    violations.extend(none_of(named, "no secret stands in an address", "requests name one"));
    Ok(violations)
}

/// The variables of the contract, and the secrets that they are.
const CREDENTIALS: [(&str, &str); 2] =
    [("DOCKERHUB_USERNAME", "secrets.dockerhub_username"), ("DOCKERHUB_TOKEN", DOCKERHUB_TOKEN)];

/// The two secrets reach what publishes, and no variable of these names is anything else.
fn the_two_secrets(evidence: &Evidence) -> Judgement {
    let mut violations = each_step(evidence, |workflow, step| {
        let named = CREDENTIALS.iter().filter_map(|(name, secret)| Some((name, secret, step.env.get(*name)?)));
        // A secret that a caller does not pass on is empty.
        let given = named.filter(|(.., value)| template(value, &|_| None).as_deref() != Some(""));
        given.flat_map(|(name, secret, value)| credential(workflow, step, name, secret, value)).collect()
    })?;
    violations.extend(each_step(evidence, login)?);
    // A variable of a job stands in each of its steps.
    violations.sort_by(|a, b| a.expected.cmp(&b.expected));
    violations.dedup_by(|a, b| a.seen == b.seen);
    if !violations.is_empty() {
        return Ok(violations);
    }
    for (workflow, jobs) in publishing_jobs(evidence)? {
        for (_, secret) in CREDENTIALS {
            let given = jobs.iter().any(|job| holds(job, &[secret]));
            let expected = format!("{}: a job that publishes gets {secret}", workflow.path);
            violations.extend(unless(given, expected, "none does"));
        }
    }
    Ok(violations)
}

/// A violation unless a variable or input is a secret and nothing else.
fn credential(workflow: &Workflow, step: &Step, name: &str, secret: &str, value: &str) -> Vec<Violation> {
    // What stands in its place may be the secret itself.
    let seen = if contexts(value).is_empty() { "a text in the file" } else { value };
    let expected = format!("{}: {}: {name} is {secret}", workflow.path, step.place);
    unless(is_only(value, &[secret]), expected, format!("{name} is {seen}"))
}

/// A login on Docker Hub by an action.
fn login(workflow: &Workflow, step: &Step) -> Vec<Violation> {
    let logins = ["docker/login-action", "redhat-actions/podman-login"];
    let Some(with) = logins.iter().find_map(|name| step.with(name)) else { return Vec::new() };
    if with.get("registry").is_some_and(|registry| !registry.is_empty() && !registry.contains("docker.io")) {
        return Vec::new();
    }
    let input = |name: &str| with.get(name).map(String::as_str).unwrap_or_default();
    let inputs = ["username", "password"].into_iter().zip(CREDENTIALS);
    inputs.flat_map(|(name, (_, secret))| credential(workflow, step, name, secret, input(name))).collect()
}

/// A script is written into a file and its arguments can be seen by every process: a secret comes in a variable.
fn not_in_scripts(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| {
        let secrets = contexts(step.script().unwrap_or_default()).into_iter().filter(|context| is_secret(context));
        let expected = format!("{}: {} gets secrets in variables", workflow.path, step.place);
        let seen = |context| format!("${{{{ {context} }}}} stands in its script");
        secrets.map(|context| Violation::new(&*expected, seen(context))).collect()
    })
}

/// Words of the shell itself, whose arguments no other process sees.
const BUILTIN: &[&str] = &[":", "[", "[[", "echo", "export", "local", "printf", "read", "readonly", "test", "unset"];

fn not_an_argument(evidence: &Evidence) -> Judgement {
    with_secrets(evidence, "gives no program a secret as an argument", |command, names| {
        let (program, given) = command.called()?;
        let name = names.iter().find(|name| given.iter().any(|word| uses_variable(word, name)))?;
        (!BUILTIN.contains(&program)).then(|| format!("{program} gets ${name}"))
    })
}

/// Commands that print all variables, or those whose names follow.
const SHOWING: &[&[&str]] = &[&["declare", "-p"], &["env"], &["export", "-p"], &["printenv"], &["set"]];

/// GitHub redacts a secret that is printed as it is, and nothing that was made of it.
fn not_printed(evidence: &Evidence) -> Judgement {
    with_secrets(evidence, "prints no secret", |command, names| {
        let to_log = command.written_to().is_none_or(|file| file.contains("GITHUB_") || file.starts_with("/dev/"));
        if SHOWING.iter().any(|words| command.words == *words) && to_log {
            return Some(format!("{} prints all variables", command.words.join(" ")));
        }
        let (program, given) = command.called()?;
        let printed = |name: &&&str| match program {
            "echo" | "printf" => command.then != "|" && given.iter().any(|word| uses_variable(word, name)),
            "printenv" => given.contains(*name),
            _ => false,
        };
        let name = names.iter().find(printed).filter(|_| to_log)?;
        Some(format!("{program} prints ${name}"))
    })
}

/// Violations for the commands of steps that have secrets in variables.
fn with_secrets(
    evidence: &Evidence,
    claim: &str,
    wrong: impl Fn(&Command, &BTreeSet<&str>) -> Option<String>,
) -> Judgement {
    each_step(evidence, |workflow, step| {
        let names = secret_variables(step);
        let commands = commands(step.script().filter(|_| !names.is_empty()).unwrap_or_default());
        let expected = format!("{}: {} {claim}", workflow.path, step.place);
        commands.iter().filter_map(|it| Some(Violation::new(&*expected, wrong(it, &names)?))).collect()
    })
}

/// How many hexadecimal digits the name of a commit has.
const COMMIT_DIGITS: usize = 40;

/// Who can move a tag of an action can read every secret that the job has.
fn pinned(evidence: &Evidence) -> Judgement {
    let is_pinned = |uses: &str| match uses.rsplit_once('@') {
        Some((image, digest)) if image.starts_with("docker://") => digest.starts_with("sha256:"),
        Some((_, commit)) => commit.len() == COMMIT_DIGITS && commit.chars().all(|it| it.is_ascii_hexdigit()),
        None => false,
    };
    let violations = all(evidence, |workflow| {
        let loose = workflow.used.iter().filter(|(_, uses)| !is_pinned(uses));
        let expected = |place| format!("{}: {place} names a commit of what it uses", workflow.path);
        loose.map(|(place, uses)| Violation::new(expected(place), uses)).collect()
    })?;
    if violations.is_empty() {
        seen(evidence)?;
    }
    Ok(violations)
}

/// Events that others than the repository's members cause, and that come with its secrets.
const STRANGERS: &[&str] = &[
    "discussion",
    "discussion_comment",
    "fork",
    "issue_comment",
    "issues",
    "pull_request_target",
    "watch",
    "workflow_run",
];

fn no_strangers(evidence: &Evidence) -> Judgement {
    all(evidence, |workflow| {
        let events = workflow.events.iter().filter(|event| STRANGERS.contains(&event.as_str()));
        let expected = format!("{}: no event from outside starts what has secrets", workflow.path);
        events.map(|event| Violation::new(&*expected, format!("{event} starts it"))).collect()
    })
}
