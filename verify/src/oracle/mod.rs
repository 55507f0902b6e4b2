//! Pure functions over a history and snapshots: each looks for one kind of violation and knows nothing of how the
//! evidence came about.

mod violation;

pub use violation::Violation;
