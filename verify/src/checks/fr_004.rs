//! FR-004: builds are rootless: podman is run by an unprivileged user.

use super::{prelude::*, workflows::each_step};
use crate::{
    evidence::Call,
    workflow::{Command, commands},
};

/// Programs that give more rights than their caller has.
const RAISING: &[&str] = &["doas", "pkexec", "su", "sudo"];
/// Arguments that take from a build what keeps it apart from the machine.
const UNFENCED: &[&str] =
    &["--privileged", "--security-opt=seccomp=unconfined", "--userns=host", "--cap-add=all", "--cap-add=ALL"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("no_step_builds_as_root", &["FR-004"], unprivileged_steps),
    Check::pipeline("nothing_runs_as_root_or_asks_for_it", &["FR-004"], Scenario::Releases, no_root),
    Check::pipeline("builds_stay_fenced", &["FR-004"], Scenario::Releases, fenced),
];

fn no_root(evidence: &Evidence) -> Judgement {
    let raised =
        |call: &Call| call.user_id == 0 || call.words.first().is_some_and(|name| RAISING.contains(&name.as_str()));
    calls(evidence, "no program is called as root, nor one that makes root", raised)
}

fn fenced(evidence: &Evidence) -> Judgement {
    let unfenced = |call: &Call| {
        let pairs = call.words.windows(2).map(|pair| pair.join("="));
        call.words.iter().cloned().chain(pairs).any(|word| UNFENCED.contains(&word.as_str()))
    };
    calls(evidence, "no build is given more rights than podman gives by itself", unfenced)
}

/// Violations for all calls in builds that are as they must not be. If builds called nothing, that proves nothing.
fn calls(evidence: &Evidence, expected: &str, wrong: impl Fn(&Call) -> bool) -> Judgement {
    let stages = || evidence.runs.iter().flat_map(|run| run.of(Stage::Build));
    require(stages().any(|stage| !stage.calls.is_empty()), "no build called any of the watched programs")?;
    let calls = stages().flat_map(|stage| stage.calls.iter().map(move |call| (stage, call)));
    let seen = |stage, call: &Call| format!("{stage}: user {} calls {}", call.user_id, call.words.join(" "));
    let wrong = calls.filter(|(_, call)| wrong(call));
    Ok(wrong.map(|(stage, call)| Violation::new(expected, seen(stage, call))).collect())
}

/// Programs that build, or make such programs run.
const BUILDING: &[&str] = &["buildah", "docker", "podman", "publisher", "skopeo"];
/// Programs that run what they are given.
const RUNNING: &[&str] = &["bash", "env", "sh"];

/// Actions that have Docker build.
const DOCKER_ACTIONS: &[&str] = &["docker/bake-action", "docker/build-push-action"];
/// Docker's commands that build.
const DOCKER_COMMANDS: &[&[&str]] =
    &[&["bake"], &["build"], &["buildx", "bake"], &["buildx", "build"], &["compose", "build"], &["image", "build"]];

fn unprivileged_steps(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| {
        let commands = commands(step.script().unwrap_or_default());
        let raised = commands.iter().filter(|command| builds_as_root(command)).map(|command| command.words.join(" "));
        let by_docker = DOCKER_ACTIONS.iter().filter(|action| step.with(action).is_some());
        let by_docker = by_docker.map(|action| format!("{action}: Docker's daemon builds, which is root"));
        let expected = format!("{}: {} builds as an unprivileged user", workflow.path, step.place);
        raised.chain(by_docker).map(|seen| Violation::new(&*expected, seen)).collect()
    })
}

/// `sudo podman …`, `sudo -E sh -c "podman …"`, `docker build`, whose daemon is root; installing something as root is fine.
fn builds_as_root(command: &Command) -> bool {
    let Some((program, given)) = command.called() else { return false };
    if program == "docker" {
        return DOCKER_COMMANDS.iter().any(|words| given.starts_with(words));
    }
    if !RAISING.contains(&program) {
        return false;
    }
    let builds = |text: &str| text.split(|it: char| !it.is_ascii_alphanumeric()).any(|word| BUILDING.contains(&word));
    let mut words = given.iter().skip_while(|word| word.starts_with('-') || word.contains('='));
    let next = words.next().map(|word| word.rsplit('/').next().unwrap_or(word)).unwrap_or_default();
    BUILDING.contains(&next) || ((program == "su" || RUNNING.contains(&next)) && given.iter().any(|word| builds(word)))
}
