//! A registry's storage, read and changed without asking the registry: untagged manifests are seen too, and no request
//! appears in the history.
//!
//! Layout (distribution: registry/storage/paths.go), below `docker/registry/v2`: `blobs/sha256/<2>/<hex>/data` has the bytes
//! of blobs and manifests. A repository has links to them, files that hold a digest: `_manifests/revisions/sha256/<hex>/link`,
//! `_manifests/tags/<tag>/current/link`, `_layers/sha256/<hex>/link`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    client::format_digest,
    harness::{error::HarnessError, owner},
};

/// The folder of all data, within the storage's folder.
pub(super) const DATA: &str = "data";
/// The only digest algorithm that is used.
const ALGORITHM: &str = "sha256";
/// Where the digests of a repository's manifests are.
const REVISIONS: &str = "_manifests/revisions/sha256";
/// Where a repository's tags are.
const TAGS: &str = "_manifests/tags";
/// Where the digests of a repository's blobs are.
const LAYERS: &str = "_layers/sha256";
/// The registry writes links in place, so a link may be empty for a moment. It is read at most so often.
const LINK_READS_MAX: usize = 100;
/// The time between two such reads.
const BETWEEN_LINK_READS: Duration = Duration::from_millis(1);

/// A manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its media type, taken from its bytes.
    pub media_type: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// What a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryState {
    /// The digest that each tag points at.
    pub tags: BTreeMap<String, String>,
    /// All manifests, tagged or not, by digest.
    pub manifests: BTreeMap<String, StoredManifest>,
    /// The digests of all blobs.
    pub blobs: BTreeSet<String>,
}

/// What a registry holds, by repository.
pub type StorageState = BTreeMap<String, RepositoryState>;

/// The storage of one registry. Clones share it; its folder is removed with the last of them.
///
/// Digests are `sha256:<hex>`; repositories are names without a host: `acme/hello`.
#[derive(Debug, Clone)]
pub struct Storage {
    folder: Arc<TempDir>,
    /// The states after each change, while they are recorded.
    changes: Arc<Mutex<Option<Vec<StorageState>>>>,
}

impl Storage {
    /// An empty storage in a new folder.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub fn new() -> Result<Self, HarnessError> {
        let folder = owner::folder()?;
        let data = folder.path().join(DATA);
        fs::create_dir(&data).map_err(HarnessError::at("make", &data))?;
        Ok(Self { folder: Arc::new(folder), changes: Arc::default() })
    }

    /// Its folder, where a registry may put its configuration too.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn root(&self) -> PathBuf {
        self.folder().join(DATA).join("docker/registry/v2")
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root().join("repositories").join(name)
    }

    fn data(&self, digest: &str) -> Option<PathBuf> {
        let hex = hex(digest)?;
        Some(self.root().join("blobs").join(ALGORITHM).join(hex.get(..2)?).join(hex).join("data"))
    }

    /// The repositories that hold anything.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn repositories(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        find_repositories(&self.root().join("repositories"), "", &mut found)?;
        found.sort();
        Ok(found)
    }

    /// The tags of a repository and the digests that they point at; none if there is no such repository.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn tags(&self, repository: &str) -> io::Result<BTreeMap<String, String>> {
        let folder = self.repository(repository).join(TAGS);
        let mut tags = BTreeMap::new();
        for tag in names(&folder)? {
            if let Some(digest) = read_link(&folder.join(&tag).join("current/link"))? {
                tags.insert(tag, digest);
            }
        }
        Ok(tags)
    }

    /// The digests of all manifests of a repository, tagged or not, sorted.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn manifests(&self, repository: &str) -> io::Result<Vec<String>> {
        linked(&self.repository(repository).join(REVISIONS))
    }

    /// A manifest, if the repository holds it.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn manifest(&self, repository: &str, digest: &str) -> io::Result<Option<StoredManifest>> {
        let (Some(hex), Some(data)) = (hex(digest), self.data(digest)) else { return Ok(None) };
        if !self.repository(repository).join(REVISIONS).join(hex).join("link").exists() {
            return Ok(None);
        }
        let bytes = if_exists(fs::read(data))?;
        Ok(bytes.map(|bytes| StoredManifest { media_type: media_type(&bytes), bytes }))
    }

    /// Whether the repository holds a blob.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn has_blob(&self, repository: &str, digest: &str) -> io::Result<bool> {
        let (Some(hex), Some(data)) = (hex(digest), self.data(digest)) else { return Ok(false) };
        Ok(self.repository(repository).join(LAYERS).join(hex).join("link").try_exists()? && data.try_exists()?)
    }

    /// Removes one tag and nothing else; whether it was there.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn remove_tag(&self, repository: &str, tag: &str) -> io::Result<bool> {
        let removed = remove_folder(&self.repository(repository).join(TAGS).join(tag))?;
        self.record_change()?;
        Ok(removed)
    }

    /// Removes a manifest and all tags that point at it; whether it was there.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn remove_manifest(&self, repository: &str, digest: &str) -> io::Result<bool> {
        let Some(hex) = hex(digest) else { return Ok(false) };
        let folder = self.repository(repository);
        for (tag, _) in self.tags(repository)?.into_iter().filter(|(_, points_at)| points_at == digest) {
            remove_folder(&folder.join(TAGS).join(tag))?;
        }
        let removed = remove_folder(&folder.join(REVISIONS).join(hex))?;
        self.record_change()?;
        Ok(removed)
    }

    /// Everything that it holds now.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn state(&self) -> io::Result<StorageState> {
        let mut state = StorageState::new();
        for name in self.repositories()? {
            let mut manifests = BTreeMap::new();
            for digest in self.manifests(&name)? {
                if let Some(manifest) = self.manifest(&name, &digest)? {
                    manifests.insert(digest, manifest);
                }
            }
            let blobs = linked(&self.repository(&name).join(LAYERS))?.into_iter().collect();
            state.insert(name.clone(), RepositoryState { tags: self.tags(&name)?, manifests, blobs });
        }
        Ok(state)
    }

    /// Puts an earlier state back, drops uploads, and stops recording changes. Bytes of blobs and manifests are never removed,
    /// so links are all that has to be written.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn restore(&self, state: &StorageState) -> io::Result<()> {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        remove_folder(&self.root().join("repositories"))?;
        for (name, repository) in state {
            let folder = self.repository(name);
            for (kind, digests) in [
                (LAYERS, repository.blobs.iter().collect()),
                (REVISIONS, repository.manifests.keys().collect::<Vec<_>>()),
            ] {
                for digest in digests {
                    write_link(&folder.join(kind).join(hex(digest).unwrap_or_default()), digest)?;
                }
            }
            for (tag, digest) in &repository.tags {
                write_tag(&folder.join(TAGS).join(tag), digest)?;
            }
        }
        Ok(())
    }

    /// Puts a manifest and tags of it, as a registry would. Returns its digest.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn put(&self, repository: &str, manifest: &[u8], tags: &[&str]) -> io::Result<String> {
        let digest = format_digest(&Sha256::digest(manifest));
        let (folder, hex) = (self.repository(repository), digest.trim_start_matches("sha256:"));
        if let Some(data) = self.data(&digest) {
            fs::create_dir_all(data.parent().unwrap_or(&data))?;
            fs::write(data, manifest)?;
        }
        write_link(&folder.join(REVISIONS).join(hex), &digest)?;
        tags.iter().try_for_each(|tag| write_tag(&folder.join(TAGS).join(tag), &digest))?;
        Ok(digest)
    }

    /// Makes it unreadable.
    #[cfg(test)]
    pub(in crate::harness) fn break_down(&self) {
        fs::create_dir_all(self.root()).unwrap();
        fs::write(self.root().join("repositories"), "").unwrap();
    }

    /// Begins to record the state after each change, until [`Self::take_changes`] or [`Self::restore`].
    pub fn record_changes(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Notes the state after a change that a registry has made.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn record_change(&self) -> io::Result<()> {
        if let Some(changes) = &mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner) {
            changes.push(self.state()?);
        }
        Ok(())
    }

    /// The states that were recorded. Recording ends.
    pub fn take_changes(&self) -> Vec<StorageState> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Finds repositories in a folder and below it: their names may have several parts.
fn find_repositories(folder: &Path, name: &str, found: &mut Vec<String>) -> io::Result<()> {
    if !linked(&folder.join(REVISIONS))?.is_empty() || !linked(&folder.join(LAYERS))?.is_empty() {
        found.push(name.to_owned());
    }
    for part in names(folder)?.into_iter().filter(|part| !part.starts_with('_')) {
        let inner = if name.is_empty() { part.clone() } else { format!("{name}/{part}") };
        find_repositories(&folder.join(part), &inner, found)?;
    }
    Ok(())
}

/// The media type of a manifest. Only OCI documents may leave it out (image-spec, manifest.md and image-index.md).
fn media_type(bytes: &[u8]) -> String {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let unnamed = if document["manifests"].is_array() {
        "application/vnd.oci.image.index.v1+json"
    } else {
        "application/vnd.oci.image.manifest.v1+json"
    };
    document["mediaType"].as_str().unwrap_or(unnamed).to_owned()
}

fn hex(digest: &str) -> Option<&str> {
    digest.strip_prefix("sha256:")
}

/// Nothing for what is not found.
fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_folder(folder: &Path) -> io::Result<bool> {
    Ok(if_exists(fs::remove_dir_all(folder))?.is_some())
}

/// The names in a folder, sorted; none if it does not exist.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = if_exists(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names = entries.map(name).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The digests that a folder has links to, sorted.
fn linked(folder: &Path) -> io::Result<Vec<String>> {
    let hexes = names(folder)?.into_iter().filter(|hex| folder.join(hex).join("link").exists());
    Ok(hexes.map(|hex| format!("{ALGORITHM}:{hex}")).collect())
}

/// The digest in a link, once it is written; none if there is no link.
pub(super) fn read_link(file: &Path) -> io::Result<Option<String>> {
    for _ in 0..LINK_READS_MAX {
        match if_exists(fs::read_to_string(file))? {
            Some(text) if text.is_empty() => thread::sleep(BETWEEN_LINK_READS),
            found => return Ok(found),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: an empty link", file.display())))
}

fn write_tag(folder: &Path, digest: &str) -> io::Result<()> {
    write_link(&folder.join("current"), digest)?;
    write_link(&folder.join("index").join(ALGORITHM).join(hex(digest).unwrap_or_default()), digest)
}

fn write_link(folder: &Path, digest: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("link"), digest)
}
