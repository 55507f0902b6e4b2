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
mod expiry;
mod graph;
mod report;
mod scan;
mod sweep;
#[cfg(test)]
mod tests;

pub use cleaner::{Cleaner, Task};
pub use decide::{Decision, decide};
pub use expiry::Pruning;
pub use graph::{Graph, Node};
pub use report::{Item, Outcome, Problem, Report};
