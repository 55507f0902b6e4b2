//! `publisher plan`: says what a run will publish, before anything is built.

use std::path::Path;

use super::{result::append, session::Session};
use crate::{exit::Failure, plan::github_output};

/// Writes the plan's outputs for the following jobs, if this is a step of a workflow.
///
/// # Errors
/// When the Containerfile cannot be read, or `GITHUB_OUTPUT` names a file that cannot be written.
pub fn plan(session: &Session) -> Result<(), Failure> {
    session.config.check_sources()?;
    match session.environment.get("GITHUB_OUTPUT") {
        Some(file) => append(Path::new(file), &github_output(&session.plan, &session.environment)),
        None => Ok(()),
    }
}
