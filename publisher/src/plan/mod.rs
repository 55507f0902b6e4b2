//! From the event that started a run to what it will publish. Everything here is decided before any build.
//!
//! | event | tag | moves |
//! | --- | --- | --- |
//! | push to `main` | `latest` | from build to build |
//! | push of the git tag `v1.2.3` | `1.2.3` | never |
//! | `workflow_dispatch` | the input `tag_name`, else `manual-<short sha>` | when a build is started again under that name |
//! | `pull_request` | none: it is built and not published | |
//!
//! All else is refused: a git tag of any other form with exit code 2 (FR-021), a push to another branch and every other
//! event with exit code 1. A manual build may use no tag that belongs to the others, `latest`, `1.2.3`, nor `v1.2.3`,
//! which looks like a release (FR-016). The only file read here is that of the event.

mod decide;
mod output;
#[cfg(test)]
mod tests;
mod trigger;

pub use decide::{Kind, Plan, plan};
pub use output::{github_output, json, text};
pub use trigger::{MAIN_BRANCH, Trigger, TriggerFlags};
