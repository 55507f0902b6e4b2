//! The same tag is the same image everywhere.

use std::collections::BTreeSet;

use super::{Snapshot, Violation};

/// A violation if a tag is not the same digest on all registries.
pub fn equal(snapshots: &[Snapshot], tag: &str) -> Vec<Violation> {
    let digests: BTreeSet<Option<&String>> = snapshots.iter().map(|snapshot| snapshot.tags.get(tag)).collect();
    if digests.len() <= 1 {
        return Vec::new();
    }
    let told = |snapshot: &Snapshot| {
        format!("{} {}", snapshot.server, snapshot.tags.get(tag).map_or("has none", String::as_str))
    };
    let seen: Vec<String> = snapshots.iter().map(told).collect();
    vec![Violation::new(format!("{tag} is the same on all registries"), seen.join(", "))]
}
