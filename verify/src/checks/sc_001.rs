//! SC-001: pushing to main is all that a deployment takes.

use super::{
    prelude::*,
    workflows::{all, publishing_jobs},
};

/// Actions that wait for an approval.
const WAITING: &[&str] =
    &["trstringer/manual-approval", "akefirad/manual-approval-action", "hmarr/auto-approve-action"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[Check::workflow("nobody_has_to_agree", &["SC-001"], no_approval)];

/// Whether an environment asks for an approval stands in the repository's settings, not in the file.
fn no_approval(evidence: &Evidence) -> Judgement {
    let violations = all(evidence, |workflow| {
        let name = |uses: &str| uses.split('@').next().unwrap_or_default().to_lowercase();
        let waiting = workflow.used.iter().filter(|(_, uses)| WAITING.contains(&name(uses).as_str()));
        let expected = format!("{}: nothing waits for an approval", workflow.path);
        waiting.map(|(place, uses)| Violation::new(&*expected, format!("{place} uses {uses}"))).collect()
    })?;
    if !violations.is_empty() {
        return Ok(violations);
    }
    let jobs = publishing_jobs(evidence)?.into_iter().flat_map(|(_, jobs)| jobs);
    match jobs.into_iter().find_map(|job| Some((job, job.environment.as_ref()?))) {
        None => Ok(violations),
        Some((job, name)) => Err(Inconclusive(format!(
            "{} is in the environment {name}: whether that asks for an approval is a setting of GitHub",
            job.id
        ))),
    }
}
