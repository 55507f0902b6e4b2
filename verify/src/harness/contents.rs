//! What a registry holds, seen from behind its interface: untagged manifests too, and without leaving a trace in the
//! history. Snapshots and the stand-ins of the management interfaces read registries this way, so that nothing about
//! a registry is ever stored twice.

use std::{collections::BTreeMap, io};

/// A manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its media type: what the bytes themselves say.
    pub media_type: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// A registry's contents. Digests are `sha256:<hex>`; repositories are names without a host: `acme/hello`.
pub trait Contents: Send + Sync + 'static {
    /// The repositories that hold anything.
    ///
    /// # Errors
    /// Storage that cannot be read.
    fn repositories(&self) -> io::Result<Vec<String>>;

    /// The tags of a repository and the digests that they point at.
    ///
    /// # Errors
    /// Storage that cannot be read. A repository that is not there has no tags, which is no error.
    fn tags(&self, repository: &str) -> io::Result<BTreeMap<String, String>>;

    /// The digests of all manifests of a repository, tagged or not, sorted.
    ///
    /// # Errors
    /// Storage that cannot be read.
    fn manifests(&self, repository: &str) -> io::Result<Vec<String>>;

    /// A manifest, if the repository holds it.
    ///
    /// # Errors
    /// Storage that cannot be read.
    fn manifest(&self, repository: &str, digest: &str) -> io::Result<Option<StoredManifest>>;

    /// Whether the repository holds a blob.
    ///
    /// # Errors
    /// Storage that cannot be read.
    fn has_blob(&self, repository: &str, digest: &str) -> io::Result<bool>;

    /// Removes one tag and nothing else; whether it was there.
    ///
    /// # Errors
    /// Storage that cannot be written.
    fn remove_tag(&self, repository: &str, tag: &str) -> io::Result<bool>;

    /// Removes a manifest and all tags that point at it; whether it was there.
    ///
    /// # Errors
    /// Storage that cannot be written.
    fn remove_manifest(&self, repository: &str, digest: &str) -> io::Result<bool>;
}
