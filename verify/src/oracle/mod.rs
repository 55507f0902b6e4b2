//! Pure functions over a history and snapshots: each looks for one kind of violation and knows nothing of how the
//! evidence came about.

mod continuity;
mod graph;
mod snapshot;
mod violation;

pub use continuity::{changes, continuity};
pub use graph::{equal, leftovers, reachable, untouched};
pub use snapshot::Snapshot;
pub use violation::Violation;
