//! Pure functions over a history and snapshots: each looks for one kind of violation and knows nothing of how the
//! evidence came about.

mod answer;
mod attempts;
mod continuity;
mod deletions;
mod graph;
mod leaks;
mod operations;
mod snapshot;
mod staging;
#[cfg(test)]
mod testing;
mod uploads;
mod violation;
mod waits;
mod within;

pub use attempts::{attempts, hopeless};
pub use continuity::{changes, continuity};
pub use deletions::{Order, deletions, order};
pub use graph::{equal, leftovers, reachable, untouched};
pub use leaks::leaks;
pub use snapshot::Snapshot;
pub use staging::staging;
pub use violation::Violation;
pub use waits::{told_waits, waits};
pub use within::within;
