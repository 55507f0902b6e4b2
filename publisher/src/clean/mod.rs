//! Clean-up that cannot hurt: what a floating tag left behind is removed, and nothing that anybody can still reach.
//!
//! ```text
//! records (superseded list, hand-over) ─▶ look: tags, what they hold ─▶ decide ─▶ look again · delete ─▶ tags whole?
//!                                          │ something unreadable                   │ a tag moved there
//!                                          └▶ nothing is removed                    └▶ it stays
//! ```
//!
//! Only what a record of this publisher names is ever considered: never what merely looks old or lost. A layer cache is
//! another matter (`prune`): nothing in it is published, and its steps go by their age.

mod decide;
mod driver;
mod error;
mod graph;
mod library;
mod prune;
mod report;
mod site;
mod stale;
mod sweep;
#[cfg(test)]
mod tests;
mod view;

pub use decide::{Because, Decision, Fate, Unknown, Verdict, decide};
pub use error::CleanError;
pub use graph::{Graph, Node, fallback_subject};
pub use report::{Item, Outcome, Problem, Report};
pub use site::{Site, Task};
pub use stale::Pruning;
