//! What checks are run on: a pipeline on this machine, or images that are published somewhere.

mod live;
mod local;
mod reference;
mod shared;
#[cfg(test)]
pub(crate) mod tests;

pub use live::{Live, LiveOptions};
pub use local::{Local, LocalOptions, judge, scenarios};
pub use reference::{Reference, ReferenceError, checked_digest};
pub use shared::Shared;
