//! SC-009: a failure shows in GitHub within a minute.
//!
//! What a job prints shows at once; what is judged here is how long a pipeline takes from the failure to its end. The
//! image is tiny and waits are shortened, so a sixth of the minute is generous.

use super::support::{run, shown};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, StageRun},
    oracle::Violation,
    scenario::Scenario,
};

/// How long a failing stage may take here, in milliseconds.
const FAILURE_MAX_MS: u64 = 10_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("a_bad_version_fails_at_once", &["SC-009", "FR-021"], Scenario::Versions, bad_version),
    Check::watching("a_registry_that_is_down_fails_the_run_soon", &["SC-009", "FR-018"], Scenario::Refusals, down),
];

fn bad_version(evidence: &Evidence) -> Judgement {
    soon(run(evidence, "v1.2")?.stages.iter().collect())
}

fn down(evidence: &Evidence) -> Judgement {
    super::support::faults_fired(evidence)?;
    soon(run(evidence, "down")?.stages.iter().collect())
}

fn soon(stages: Vec<&StageRun>) -> Judgement {
    let failed: Vec<&StageRun> = stages.into_iter().filter(|stage| !stage.end.is_success()).collect();
    if failed.is_empty() {
        return Err(Inconclusive("nothing failed".into()));
    }
    let late = failed.into_iter().filter(|stage| stage.ended_ms - stage.began_ms > FAILURE_MAX_MS);
    let violation = |stage: &StageRun| {
        let took = stage.ended_ms - stage.began_ms;
        Violation::new(format!("{} fails within {FAILURE_MAX_MS} ms", shown(stage)), format!("it took {took} ms"))
    };
    Ok(late.map(violation).collect())
}
