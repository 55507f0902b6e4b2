//! GitHub workflows, which are read and never run.

use std::path::PathBuf;

use crate::{
    check::{Check, Need},
    evidence::Evidence,
    verdict::Verdict,
    workflow::{Matrix, Repositories, workflow},
};

/// The workflows that make up a pipeline.
#[derive(Debug, Clone)]
pub struct Workflows {
    paths: Vec<PathBuf>,
    repositories: Repositories,
}

impl Workflows {
    /// The files, and where other repositories are whose workflows and actions they call.
    pub const fn new(paths: Vec<PathBuf>, repositories: Repositories) -> Self {
        Self { paths, repositories }
    }

    /// Reads all files. One that cannot be read is trouble: nothing is known then.
    pub fn take(&self) -> Evidence {
        let mut evidence = Evidence::default();
        for path in &self.paths {
            match workflow(path, &self.repositories) {
                Ok(workflow) => evidence.workflows.push(workflow),
                Err(error) => evidence.trouble.push(error.with_causes()),
            }
        }
        evidence
    }

    /// What this target has. A matrix that is computed in a run stands in no file.
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
    pub fn judge<'a>(checks: &[&'a Check], evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
        let verdict = |check: &'a Check| match check.needs.iter().find(|need| !Self::has(**need, evidence)) {
            Some(need) => Verdict::NotRun { reason: need.name().to_owned() },
            None => check.verdict(evidence),
        };
        checks.iter().map(|check| (*check, verdict(check))).collect()
    }
}
