//! Scenarios: what a pipeline is made to do, and what happens to it meanwhile. One scenario gives evidence for many checks.

mod cancel;
mod event;
mod job;
mod name;
mod script;
mod sides;
mod source_edits;
mod versions;
mod world;

use sides::CACHES;

pub(crate) use sides::{DOCKERHUB_USER, accounts};
pub(crate) use source_edits::mark;
pub(crate) use world::{new_secrets, small_source};

pub use cancel::{Cancellation, Held};
pub use event::{AMD64, ARM64, Event, Inputs, OWNER, REPOSITORY};
pub use job::Job;
pub use name::Scenario;
pub use script::play;
pub(crate) use script::{OUTAGES_OF_BUILDS, OUTAGES_OF_MERGES, RELEASED_BEFORE, RESERVED};
pub use source_edits::{SOURCE_LABEL, STEP_RAN};
pub use versions::{Expected, VERSIONS};
pub use world::{RETRY_BASE_MS, World};
