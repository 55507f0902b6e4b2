//! Clean-up: removes what a floating tag left behind, and nothing that a tag still reaches.
//!
//! ```text
//! recorded digests ─▶ scan: tags and manifests ─▶ decide ─▶ sweep: scan again · delete, one by one ─▶ check every tag
//!                       │ something is unreadable              │ a tag points there now
//!                       └▶ nothing is removed                  └▶ it is kept
//! ```
//!
//! Only what a record of this publisher names is considered, never what merely looks old or unused. A layer cache is the
//! exception (`expiry`): nothing in it is published, so its steps are removed by age.

mod cleaner;
mod decide;
mod driver;
mod error;
mod expiry;
mod graph;
mod manifest_cache;
mod report;
mod scan;
mod sweep;
#[cfg(test)]
mod tests;

pub use cleaner::{Cleaner, Task};
pub use decide::{Candidate, Decision, Reason, Unknown, decide};
pub use error::CleanError;
pub use expiry::Pruning;
pub use graph::{Graph, Node, fallback_subject};
pub use report::{Item, Outcome, Problem, Report};
