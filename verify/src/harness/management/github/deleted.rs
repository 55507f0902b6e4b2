//! Versions that were deleted, and how they come back. No registry has them, so they are kept here.

use std::{collections::BTreeMap, io, sync::Arc};

use crate::harness::contents::StoredManifest;

/// A version that was deleted.
#[derive(Debug, Clone)]
pub struct DeletedVersion {
    /// The manifest's digest.
    pub digest: String,
    /// The tags that it had.
    pub tags: Vec<String>,
    /// The manifest.
    pub manifest: StoredManifest,
    /// When it was seen first, as the interface writes it.
    pub(super) created: String,
    /// When it was deleted, as the interface writes it.
    pub(super) deleted: String,
    /// Whether it went with its whole package, and comes back with it alone.
    pub(super) with_package: bool,
}

/// Puts a deleted version of a repository back on the registry, its tags too.
pub type Restore = Arc<dyn Fn(&str, &DeletedVersion) -> io::Result<()> + Send + Sync>;

/// What was deleted, by repository.
#[derive(Default)]
pub(super) struct Deleted(BTreeMap<String, Vec<DeletedVersion>>);

impl Deleted {
    pub(super) fn add(&mut self, repository: &str, version: DeletedVersion) {
        self.0.entry(repository.to_owned()).or_default().push(version);
    }

    /// What a repository has lost and not got back by another push, what was deleted last first.
    pub(super) fn of(&mut self, repository: &str, present: impl Fn(&str) -> bool) -> Vec<DeletedVersion> {
        let Some(versions) = self.0.get_mut(repository) else { return Vec::new() };
        versions.retain(|version| !present(&version.digest));
        versions.iter().rev().cloned().collect()
    }
}

/// Whether a version names others, which must be there before it.
pub(super) fn is_list(version: &DeletedVersion) -> bool {
    let document: serde_json::Value = serde_json::from_slice(&version.manifest.bytes).unwrap_or_default();
    document.get("manifests").is_some()
}
