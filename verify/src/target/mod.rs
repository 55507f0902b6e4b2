//! What checks are run on: a pipeline on this machine, images that are published somewhere, or GitHub workflows.

mod live;
mod local;
mod reference;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod workflows;

pub use live::{Live, LiveOptions};
pub use local::{Local, LocalOptions, judge, scenarios};
pub use reference::{Reference, ReferenceError, checked_digest};
pub use shared::Shared;
pub use workflows::{judge_workflows, read_workflows};
