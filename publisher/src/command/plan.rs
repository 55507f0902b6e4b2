//! `publisher plan`: says what a run will publish, before anything is built.

use super::{result::append, run::Run};
use crate::{containerfile::Containerfile, event::Event, exit::Failure, plan::github_output};

/// Says what is wrong with the Containerfile, and writes the plan's outputs for the following jobs, if this is a step of a
/// workflow.
///
/// # Errors
/// When the Containerfile cannot be read, or `GITHUB_OUTPUT` names a file that cannot be written.
pub fn plan(run: &Run) -> Result<(), Failure> {
    let Containerfile { healthcheck, base, .. } = Containerfile::parse(&run.config.read_containerfile()?);
    // A published image without one does not meet a requirement, unless its owner has said that it is meant to have none.
    if run.config.healthcheck && !healthcheck {
        let unless = base.map(|base| format!(" unless {base} has one")).unwrap_or_default();
        run.events().event(Event::Notice(format!(
            "{} has no HEALTHCHECK, so the image will have none{unless}; add one, or write `healthcheck = false` in \
             publish.toml if that is meant",
            run.config.containerfile.display()
        )));
    }
    append(&run.environment, "GITHUB_OUTPUT", &github_output(&run.plan, &run.config, &run.environment))
}
