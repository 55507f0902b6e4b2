//! Pure functions over a history and snapshots: each looks for one kind of violation and knows nothing of how the
//! evidence came about.

mod answer;
mod attempts;
mod continuity;
mod graph;
mod operations;
mod snapshot;
mod staging;
#[cfg(test)]
mod testing;
mod uploads;
mod violation;
mod waits;
mod within;

pub use attempts::{attempts, permanent_errors};
pub use continuity::{changes, continuity};
pub use graph::{equal, leftovers, reachable, untouched};
pub use snapshot::{Snapshot, is_referrers_tag};
pub use staging::{deleted_early, staging};
pub use violation::Violation;
pub use waits::{Growth, growth, requested_waits, shortest_waits, waits};
pub use within::within;
