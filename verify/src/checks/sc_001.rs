//! SC-001: pushing to main is all that a deployment takes.

use super::workflows::{publishing_jobs, seen, workflows};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::Violation,
};

/// Actions that wait until somebody agrees.
const WAITING: &[&str] =
    &["trstringer/manual-approval", "akefirad/manual-approval-action", "hmarr/auto-approve-action"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[Check::workflow("nobody_has_to_agree", &["SC-001"], nobody_agrees)];

/// Whether an environment asks for somebody stands in the repository's settings, not in the file.
fn nobody_agrees(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for workflow in workflows(evidence)? {
        for (place, uses) in &workflow.used {
            let name = uses.split('@').next().unwrap_or_default().to_lowercase();
            if WAITING.contains(&name.as_str()) {
                let expected = format!("{}: nothing waits for somebody", workflow.path);
                violations.push(Violation::new(expected, format!("{place} uses {uses}")));
            }
        }
    }
    if violations.is_empty() {
        seen(evidence)?;
        let jobs = publishing_jobs(evidence)?;
        if let Some((job, name)) =
            jobs.iter().flat_map(|(_, jobs)| jobs).find_map(|job| Some((job, job.environment.as_ref()?)))
        {
            let cause = format!(
                "{} is in the environment {name}: whether that asks for somebody is a setting of GitHub",
                job.id
            );
            return Err(Inconclusive(cause));
        }
    }
    Ok(violations)
}
