//! SC-009: a failure shows in GitHub within a minute.
//!
//! What a job prints shows at once; what is judged here is how long a pipeline takes from the failure to its end. The
//! image is tiny and waits are shortened, so a sixth of the minute is generous.

use super::{
    support::{run, shown, within},
    workflows::each_job,
};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Run, StageRun},
    history::Exchange,
    oracle::Violation,
    scenario::Scenario,
};

/// How long a failing stage may take here, in milliseconds.
const FAILURE_MAX_MS: u64 = 10_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("every_job_has_a_limit_of_time", &["SC-009"], limited),
    Check::pipeline("a_bad_version_fails_at_once", &["SC-009", "FR-021"], Scenario::BadVersion, bad_version),
    Check::pipeline("a_registry_that_is_down_fails_the_run_soon", &["SC-009", "FR-018"], Scenario::Refusals, down),
];

fn bad_version(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "v1.2")?;
    let failed = run.stages.iter().filter(|stage| !stage.end.is_success());
    soon(evidence, run, failed.map(|stage| (stage, run.span_ms().0)).collect())
}

/// From the first request that met the fault.
fn down(evidence: &Evidence) -> Judgement {
    super::support::faults_fired(evidence)?;
    let run = run(evidence, "down")?;
    let met = |stage: &StageRun| {
        let during = |it: &&Exchange| it.fault.is_some() && (stage.began_ms..=stage.ended_ms).contains(&it.began_ms);
        evidence.history.iter().find(during).map(|exchange| exchange.began_ms)
    };
    let failed = run.stages.iter().filter(|stage| !stage.end.is_success());
    soon(evidence, run, failed.filter_map(|stage| Some((stage, met(stage)?))).collect())
}

/// Violations for stages that failed late, and for a run none of whose stages did.
fn soon(evidence: &Evidence, run: &Run, failed: Vec<(&StageRun, u64)>) -> Judgement {
    if failed.is_empty() {
        let expected = format!("`{}` fails within {FAILURE_MAX_MS} ms", run.name);
        return Ok(vec![Violation::new(expected, "it does not fail")]);
    }
    let mut violations = Vec::new();
    for (stage, since_ms) in failed {
        let took = evidence.idle_ms(stage.ended_ms - since_ms, [stage]);
        violations.extend(within(
            &format!("{} fails within {FAILURE_MAX_MS} ms", shown(stage)),
            &took,
            FAILURE_MAX_MS,
        )?);
    }
    Ok(violations)
}

/// How long a job may take before GitHub ends it, in minutes. Its own limit is six hours.
const JOB_MAX_MIN: f64 = 60.0;

fn limited(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let expected = format!("{}: {} has timeout-minutes of {JOB_MAX_MIN} at most", workflow.path, job.id);
        let Some(limit) = &job.timeout_minutes else {
            return vec![Violation::new(expected, "it has none, so six hours")];
        };
        // A limit that is an expression is a limit.
        match limit.parse::<f64>() {
            Ok(minutes) if minutes > JOB_MAX_MIN => vec![Violation::new(expected, format!("it has {minutes}"))],
            _ => Vec::new(),
        }
    })
}
