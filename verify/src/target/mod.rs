//! What checks are run on: a pipeline on this machine, images that are published somewhere, or GitHub workflows.

mod live;
mod local;
mod shared;
mod workflows;

pub use live::{Live, LiveOptions};
pub use local::{Local, LocalOptions, judge, scenarios};
pub use shared::Shared;
pub use workflows::Workflows;
