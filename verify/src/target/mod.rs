//! What checks are run on: a pipeline on this machine, or images that are published somewhere.

mod live;
mod local;
mod shared;

pub use live::{Live, LiveOptions};
pub use local::{Local, LocalOptions, judge, scenarios};
pub use shared::Shared;
