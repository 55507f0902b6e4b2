//! Scenarios: what a pipeline is made to do, and what happens to it meanwhile. One scenario gives evidence for many checks.

mod event;
mod name;
mod versions;

pub use event::{Event, Inputs, OWNER, REPOSITORY};
pub use name::Scenario;
pub use versions::{Expected, VERSIONS};
