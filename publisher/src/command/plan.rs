//! `publisher plan`: says what a run will publish, before anything is built.

use std::path::Path;

use super::{result::append, run::Run};
use crate::{containerfile::Containerfile, event::Event, exit::Failure, plan::github_output};

/// Writes the plan's outputs for the following jobs, if this is a step of a workflow.
///
/// # Errors
/// When the Containerfile cannot be read, or `GITHUB_OUTPUT` names a file that cannot be written.
pub fn plan(run: &Run) -> Result<(), Failure> {
    run.config.check_sources()?;
    notice_health_check(run)?;
    match run.environment.get("GITHUB_OUTPUT") {
        Some(file) => append(Path::new(file), &github_output(&run.plan, &run.config, &run.environment)),
        None => Ok(()),
    }
}

/// Says that the image has no health check, unless its owner has said that it is meant to have none: after the publish it
/// would be a requirement that is not met.
fn notice_health_check(run: &Run) -> Result<(), Failure> {
    let file = &run.config.containerfile;
    let text = std::fs::read(file)
        .map_err(|error| Failure::other(format!("failed to read {}", file.display())).because(error))?;
    let Containerfile { healthcheck, base, .. } = Containerfile::parse(&String::from_utf8_lossy(&text));
    if run.config.healthcheck && !healthcheck {
        let unless = base.map(|base| format!(" unless {base} has one")).unwrap_or_default();
        run.events().event(Event::Notice(format!(
            "{} has no HEALTHCHECK, so the image will have none{unless}; add one, or write `healthcheck = false` in \
             publish.toml if that is meant",
            file.display()
        )));
    }
    Ok(())
}
