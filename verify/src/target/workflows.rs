//! GitHub workflows, which are read and never run.

use std::path::PathBuf;

use crate::{
    check::{Check, Need},
    evidence::Evidence,
    verdict::Verdict,
    workflow::{Matrix, Repositories, workflow},
};

/// Reads the workflows that make up a pipeline. One that cannot be read is trouble: nothing is known then.
pub fn read_workflows(paths: &[PathBuf], repositories: &Repositories) -> Evidence {
    let mut evidence = Evidence::default();
    for path in paths {
        match workflow(path, repositories) {
            Ok(workflow) => evidence.workflows.push(workflow),
            Err(error) => evidence.trouble.push(error.with_causes()),
        }
    }
    evidence
}

/// Whether files have what a check needs. A matrix that is computed in a run stands in no file.
fn has(need: Need, evidence: &Evidence) -> bool {
    let jobs = evidence.workflows.iter().flat_map(|workflow| &workflow.jobs);
    let mut matrices = jobs.filter_map(|job| job.strategy.as_ref()).map(|strategy| &strategy.matrix).peekable();
    match need {
        Need::Workflow => true,
        Need::Matrix => matrices.peek().is_some() && matrices.all(|it| matches!(it, Matrix::Written(_))),
        Need::Image | Need::Podman | Need::Subject => false,
    }
}

/// The verdicts of checks; those that need what files alone do not give are not run.
pub fn judge_workflows<'a>(checks: &[&'a Check], evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
    let verdict = |check: &'a Check| match check.needs.iter().find(|need| !has(**need, evidence)) {
        Some(need) => Verdict::NotRun { reason: need.name().to_owned() },
        None => check.verdict(evidence),
    };
    checks.iter().map(|check| (*check, verdict(check))).collect()
}
