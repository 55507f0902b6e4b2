//! What Docker Hub's registry host makes of `DELETE /v2/<repository>/manifests/<reference>`.
//!
//! The reference registry deletes a manifest with all its tags. Docker Hub does not: what a tag or a list needs stays.

use std::io;

use serde_json::json;

use super::images::children;
use crate::harness::contents::Contents;

/// The ways in which it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestDeletion {
    /// Nothing needs it: it may be removed.
    Accepted,
    /// A tag points at it.
    Tagged,
    /// A list names it.
    Referenced,
    /// It is not there.
    Absent,
    /// The reference is a tag.
    ByTag,
    /// The host deletes no manifests.
    Unsupported,
}

impl ManifestDeletion {
    /// Judges a deletion by what the repository holds now.
    ///
    /// # Errors
    /// Storage that cannot be read.
    pub fn of(contents: &dyn Contents, repository: &str, reference: &str) -> io::Result<Self> {
        if !reference.contains(':') {
            return Ok(Self::ByTag);
        }
        let manifests = contents.manifests(repository)?;
        if !manifests.iter().any(|digest| digest == reference) {
            return Ok(Self::Absent);
        }
        if contents.tags(repository)?.values().any(|digest| digest == reference) {
            return Ok(Self::Tagged);
        }
        for digest in &manifests {
            let manifest = contents.manifest(repository, digest)?;
            if manifest.is_some_and(|manifest| children(&manifest).iter().any(|child| child == reference)) {
                return Ok(Self::Referenced);
            }
        }
        Ok(Self::Accepted)
    }

    /// The status that the client is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Accepted => 202,
            Self::Tagged | Self::Referenced => 403,
            Self::Absent => 404,
            Self::ByTag | Self::Unsupported => 405,
        }
    }

    /// The body that goes with it, in the form of the distribution specification; none if it is accepted.
    pub fn body(self) -> Option<String> {
        let (code, message) = match self {
            Self::Accepted => return None,
            Self::Tagged => ("DENIED", "the manifest is tagged"),
            Self::Referenced => ("DENIED", "the manifest is referenced by another manifest"),
            Self::Absent => ("MANIFEST_UNKNOWN", "manifest unknown"),
            Self::ByTag | Self::Unsupported => ("UNSUPPORTED", "The operation is unsupported."),
        };
        Some(json!({ "errors": [{ "code": code, "message": message }] }).to_string())
    }
}
