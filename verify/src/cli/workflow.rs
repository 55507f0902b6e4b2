//! `verify workflow`

use super::{arguments::WorkflowArguments, exit, local, printing};
use crate::{
    harness::HarnessError,
    report::{Outcome, Report},
    target::{judge_workflows, read_workflows},
    workflow::Repositories,
};

/// Reads the workflows and judges them.
pub(super) fn run(arguments: &WorkflowArguments) -> Result<u8, HarnessError> {
    let Some(checks) = local::chosen_or_error(&arguments.only) else { return Ok(exit::USAGE) };
    let repositories = Repositories::new(arguments.repository.iter().cloned());
    let evidence = read_workflows(&arguments.paths, &repositories);
    let paths: Vec<String> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
    let folders =
        arguments.repository.iter().map(|(name, folder)| format!(" --repository {name}={}", folder.display()));
    let command = format!("verify workflow {}{}", paths.join(" "), folders.collect::<String>());
    let outcomes = judge_workflows(&checks, &evidence).into_iter().map(|(check, verdict)| {
        Outcome::of(check, verdict, Some(&evidence), format!("{command} --only {}", check.id()))
    });
    let outcomes = outcomes.collect();
    let report = Report { target: "workflow".into(), subject: paths.join(" "), outcomes, ..Report::default() };
    printing::report(&report, arguments.output)?;
    Ok(local::code(&report))
}
