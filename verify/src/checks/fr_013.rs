//! FR-013: Docker Hub's credentials come from the secrets `DOCKERHUB_USERNAME` and `DOCKERHUB_TOKEN`, and stay secret.

use super::workflows::{
    all, each_step, is_only, is_secret, publishing_jobs, secret_variables, seen, step_holds, uses_variable,
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Stage},
    history::Kind,
    oracle::Violation,
    scenario::Scenario,
    workflow::{Command, Step, Workflow, commands, contexts, template},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("docker_hubs_credentials_are_the_two_secrets", &["FR-013"], the_two_secrets),
    Check::workflow("no_secret_is_written_into_a_script", &["FR-013", "FR-014"], not_in_scripts),
    Check::workflow("no_secret_becomes_an_argument", &["FR-013", "FR-014"], not_an_argument),
    Check::workflow("no_secret_is_printed", &["FR-013", "FR-014"], not_printed),
    Check::workflow("every_action_is_pinned_by_its_commit", &["FR-013", "FR-014"], pinned),
    Check::workflow("no_event_of_strangers_starts_it", &["FR-013", "FR-014"], no_strangers),
    Check::pipeline("docker_hub_knows_who_pushes", &["FR-013", "FR-005"], Scenario::Releases, docker_hub),
    Check::pipeline("a_missing_secret_of_docker_hub_is_told_by_name", &["FR-013"], Scenario::MissingSecrets, missing),
    Check::pipeline("secrets_appear_nowhere", &["FR-013", "FR-014"], Scenario::Releases, nowhere),
    Check::pipeline("secrets_appear_nowhere_when_a_push_fails", &["FR-013", "FR-014"], Scenario::Refusals, nowhere),
];

fn docker_hub(evidence: &Evidence) -> Judgement {
    Ok(super::support::authenticated(evidence, "dockerhub"))
}

fn missing(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for name in ["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"] {
        violations.extend(super::support::told_missing(evidence, name)?);
    }
    Ok(violations)
}

/// What was printed, written into the summary or the outputs, handed over or left in files, and all arguments of watched
/// programs, hold no secret.
fn nowhere(evidence: &Evidence) -> Judgement {
    if evidence.runs.iter().all(|run| run.of(Stage::Build).next().is_none()) {
        return Err(Inconclusive("nothing was built".into()));
    }
    let stages = evidence.runs.iter().flat_map(|run| run.stages.iter().map(move |stage| (run, stage)));
    let told = stages.flat_map(|(run, stage)| stage.leaks.iter().map(move |leak| (run, stage, leak)));
    let mut violations: Vec<Violation> = told
        .map(|(run, stage, leak)| {
            let seen = format!("`{}`, {}: {leak}", run.name, super::support::shown(stage));
            Violation::new("a secret stands in no output, summary, hand-over, file or argument", seen)
        })
        .collect();
    // A token asked for with a secret in the address ends up in the logs of every proxy on the way.
    let asked = super::support::requests(evidence, &[Kind::Token, Kind::HubLogin]);
    let told: Vec<usize> = asked.filter(|(_, it)| it.path.contains("redacted")).map(|(index, _)| index).collect();
    if !told.is_empty() {
        violations.push(Violation::new("no secret stands in an address", "a request names one").shown_by(told));
    }
    Ok(violations)
}

/// The variables of the contract, and the secrets that they are.
const CREDENTIALS: [(&str, &str); 2] =
    [("DOCKERHUB_USERNAME", "secrets.dockerhub_username"), ("DOCKERHUB_TOKEN", super::workflows::DOCKERHUB_TOKEN)];

/// The two secrets reach what publishes, and no variable of these names is anything else.
fn the_two_secrets(evidence: &Evidence) -> Judgement {
    let mut violations = each_step(evidence, |workflow, step| {
        let named = CREDENTIALS.iter().filter_map(|(name, secret)| Some((name, secret, step.env.get(*name)?)));
        // A secret that a caller does not pass on is empty.
        let given = named.filter(|(.., value)| template(value, &|_| None).as_deref() != Some(""));
        let other = given.filter(|(_, secret, value)| !is_only(value, &[secret]));
        other.map(|(name, secret, value)| credential(workflow, step, name, secret, value)).collect()
    })?;
    violations.extend(each_step(evidence, logged_in)?);
    // A variable of a job stands in each of its steps.
    violations.sort_by(|a, b| a.expected.cmp(&b.expected));
    violations.dedup_by(|a, b| a.seen == b.seen);
    if violations.is_empty() {
        for (workflow, jobs) in publishing_jobs(evidence)? {
            for (_, secret) in CREDENTIALS {
                if !jobs.iter().any(|job| job.steps.iter().any(|step| step_holds(step, &[secret]))) {
                    let expected = format!("{}: a job that publishes gets {secret}", workflow.path);
                    violations.push(Violation::new(expected, "none does"));
                }
            }
        }
    }
    Ok(violations)
}

fn credential(workflow: &Workflow, step: &Step, name: &str, secret: &str, value: &str) -> Violation {
    // What stands in its place may be the secret itself.
    let seen = if contexts(value).is_empty() { "a text in the file".to_owned() } else { value.to_owned() };
    Violation::new(format!("{}: {}: {name} is {secret}", workflow.path, step.place), format!("{name} is {seen}"))
}

/// A login on Docker Hub by an action.
fn logged_in(workflow: &Workflow, step: &Step) -> Vec<Violation> {
    let logins = ["docker/login-action", "redhat-actions/podman-login"];
    let Some(with) = logins.iter().find_map(|name| step.with(name)) else { return Vec::new() };
    if with.get("registry").is_some_and(|registry| !registry.is_empty() && !registry.contains("docker.io")) {
        return Vec::new();
    }
    let inputs = ["username", "password"].into_iter().zip(CREDENTIALS);
    let other = inputs.filter_map(|(input, (_, secret))| {
        let value = with.get(input).map(String::as_str).unwrap_or_default();
        (!is_only(value, &[secret])).then(|| credential(workflow, step, input, secret, value))
    });
    other.collect()
}

/// A script is written into a file and its arguments can be seen by every process: a secret comes in a variable.
fn not_in_scripts(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| {
        let secrets = contexts(step.script().unwrap_or_default()).into_iter().filter(|context| is_secret(context));
        let expected = format!("{}: {} gets secrets in variables", workflow.path, step.place);
        secrets
            .map(|context| Violation::new(expected.clone(), format!("${{{{ {context} }}}} stands in its script")))
            .collect()
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

/// GitHub blots out a secret that is printed as it is, and nothing that was made of it.
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
    wrong: impl Fn(&Command, &std::collections::BTreeSet<&str>) -> Option<String>,
) -> Judgement {
    each_step(evidence, |workflow, step| {
        let names = secret_variables(step);
        let commands = commands(step.script().filter(|_| !names.is_empty()).unwrap_or_default());
        let expected = format!("{}: {} {claim}", workflow.path, step.place);
        commands.iter().filter_map(|it| Some(Violation::new(expected.clone(), wrong(it, &names)?))).collect()
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
        let violation = |(place, uses): &(String, String)| {
            Violation::new(format!("{}: {place} names a commit of what it uses", workflow.path), uses.clone())
        };
        loose.map(violation).collect()
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
        let expected = format!("{}: nobody from outside starts what has secrets", workflow.path);
        events.map(|event| Violation::new(expected.clone(), format!("{event} starts it"))).collect()
    })
}
