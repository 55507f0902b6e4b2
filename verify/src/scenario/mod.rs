//! Scenarios: what a pipeline is made to do, and what happens to it meanwhile. One scenario gives evidence for many checks.
//!
//! A new scenario is a name in `name.rs`, an arm in `script/mod.rs` and a function beside it.

mod active_run;
mod cancel;
mod event;
mod name;
mod registries;
mod script;
mod source;
mod versions;
mod world;

pub(crate) use registries::{DOCKERHUB_USER, accounts};
pub(crate) use script::{OUTAGES_OF_BUILDS, OUTAGES_OF_MERGES, RELEASED_BEFORE, RESERVED};
pub(crate) use source::{mark, small_source};
pub(crate) use world::new_secrets;

pub use active_run::ActiveRun;
pub use event::{AMD64, ARM64, Event, Inputs, OWNER, REPOSITORY};
pub use name::Scenario;
pub use script::play;
pub use source::{SOURCE_LABEL, STEP_RAN};
pub use versions::{Expected, VERSIONS};
pub use world::{RETRY_BASE_MS, World};
