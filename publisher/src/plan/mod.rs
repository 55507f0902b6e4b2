//! From the event that started a run to what it will publish. Everything here is decided before any build.
//!
//! | event | tag | moves |
//! | --- | --- | --- |
//! | push to `main` | `latest` | from build to build |
//! | push of the git tag `v1.2.3` | `1.2.3` | never |
//! | `workflow_dispatch` | the input `tag_name`, else `manual-<short sha>` | when a build is started again under that name |
//!
//! All else is refused: a git tag of any other form with exit code 2 (FR-021), a push to another branch and every other
//! event with exit code 1. A manual build may use no tag that belongs to the others, `latest`, `1.2.3`, nor `v1.2.3`,
//! which nobody could tell from a release (FR-016). Nothing here talks to anything but the file of the event.

mod decide;
mod error;
mod event;
mod inputs;
mod output;
mod secrets;
mod version;

#[cfg(test)]
mod tests;

pub use decide::{Kind, Plan, plan};
pub use error::PlanError;
pub use event::{Event, EventFlags, MAIN_BRANCH};
pub use inputs::DispatchInputs;
pub use output::{github_output, json, text};
pub use secrets::missing_secrets;
