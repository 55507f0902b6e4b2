//! FR-004: builds are rootless: podman is run by an unprivileged user.

use super::support::shown;
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Call, Evidence, Stage, StageRun},
    oracle::Violation,
    scenario::Scenario,
};

/// Programs that give more rights than their caller has.
const RAISING: &[&str] = &["doas", "pkexec", "su", "sudo"];
/// Arguments that take from a build what keeps it apart from the machine.
const UNFENCED: &[&str] =
    &["--privileged", "--security-opt=seccomp=unconfined", "--userns=host", "--cap-add=all", "--cap-add=ALL"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("nothing_runs_as_root_or_asks_for_it", &["FR-004"], Scenario::Releases, no_root),
    Check::watching("builds_stay_fenced", &["FR-004"], Scenario::Releases, fenced),
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

/// Violations for all calls in builds that are as they must not be. That builds called nothing proves nothing.
fn calls(evidence: &Evidence, expected: &str, wrong: impl Fn(&Call) -> bool) -> Judgement {
    let stages: Vec<&StageRun> = evidence.runs.iter().flat_map(|run| run.of(Stage::Build)).collect();
    if stages.iter().all(|stage| stage.calls.is_empty()) {
        return Err(Inconclusive("no build called any of the watched programs".into()));
    }
    let calls = stages.into_iter().flat_map(|stage| stage.calls.iter().map(move |call| (stage, call)));
    Ok(calls
        .filter(|(_, call)| wrong(call))
        .map(|(stage, call)| {
            Violation::new(expected, format!("{}: user {} calls {}", shown(stage), call.user_id, call.words.join(" ")))
        })
        .collect())
}
