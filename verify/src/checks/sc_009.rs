//! SC-009: a failure shows in GitHub within a minute.
//!
//! What a job prints shows at once; what is judged here is how long a pipeline takes from the failure to its end. The
//! image is tiny and waits are shortened, so a sixth of the minute is generous.

use super::{prelude::*, workflows::each_job};

/// How long a failing stage may take here, in milliseconds.
const FAILURE_MAX_MS: u64 = 10_000;
/// How long a job may take before GitHub ends it, in minutes. Its own limit is six hours.
const JOB_MAX_MIN: f64 = 60.0;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("every_job_has_a_limit_of_time", &["SC-009"], limited),
    Check::pipeline("a_bad_version_fails_at_once", &["SC-009", "FR-021"], Scenario::BadVersion, bad_version),
    Check::pipeline("a_registry_that_is_down_fails_the_run_soon", &["SC-009", "FR-018"], Scenario::Refusals, down),
];

fn bad_version(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "v1.2")?;
    soon(evidence, run, |_| Some(*run.span_ms().start()))
}

/// From the first request that met the fault.
fn down(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    soon(evidence, run(evidence, "down")?, |stage| {
        let mut failed = requests(evidence, stage.span_ms()).filter(|(_, it)| it.fault.is_some());
        failed.next().map(|(_, exchange)| exchange.began_ms)
    })
}

/// Violations for stages that failed long after their failure began, and for a run without any such stage.
fn soon(evidence: &Evidence, run: &Run, since_ms: impl Fn(&StageRun) -> Option<u64>) -> Judgement {
    let failed: Vec<(&StageRun, u64)> = run.failed_stages().filter_map(|it| Some((it, since_ms(it)?))).collect();
    let expected = format!("`{}` fails within {FAILURE_MAX_MS} ms", run.name);
    let mut violations = unless(!failed.is_empty(), expected, "it does not fail");
    for (stage, since_ms) in failed {
        let took = evidence.idle_ms(stage.ended_ms - since_ms, [stage]);
        violations.extend(at_most_ms(format!("{stage} fails within {FAILURE_MAX_MS} ms"), &took, FAILURE_MAX_MS)?);
    }
    Ok(violations)
}

fn limited(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let limit = job.timeout_minutes.as_deref();
        // A limit that is an expression is a limit.
        let kept = limit.is_some_and(|limit| limit.parse::<f64>().map_or(true, |minutes| minutes <= JOB_MAX_MIN));
        let expected = format!("{}: {} has timeout-minutes of {JOB_MAX_MIN} at most", workflow.path, job.id);
        let seen = limit.map_or_else(|| "it has none, so six hours".to_owned(), |limit| format!("it has {limit}"));
        unless(kept, expected, seen)
    })
}
