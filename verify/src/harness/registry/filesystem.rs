//! The storage of the real registry, read and changed from behind.
//!
//! Layout (distribution: registry/storage/paths.go), below `docker/registry/v2`: `blobs/sha256/<2>/<hex>/data` has the bytes
//! of blobs and manifests; a repository has links to them, files with a digest: `_manifests/revisions/sha256/<hex>/link`,
//! `_manifests/tags/<tag>/current/link`, `_layers/sha256/<hex>/link`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::config::STORAGE;
use crate::harness::{
    contents::{Contents, StoredManifest},
    registry::media::media_type,
};

/// The only algorithm that is used here.
const ALGORITHM: &str = "sha256";
/// The registry writes links in place: for a moment they are empty. So often they are looked at again.
const LOOKS_AT_A_LINK: usize = 100;
/// The time between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// A registry's storage.
#[derive(Debug)]
pub(super) struct Storage {
    root: PathBuf,
}

impl Storage {
    /// The storage in a registry's folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { root: folder.join(STORAGE).join("docker/registry/v2") }
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.join("repositories").join(name)
    }

    fn revision(&self, repository: &str, digest: &str) -> Option<PathBuf> {
        let (_, hex) = digest.split_once(':')?;
        Some(self.repository(repository).join("_manifests/revisions").join(ALGORITHM).join(hex))
    }

    fn tag(&self, repository: &str, tag: &str) -> PathBuf {
        self.repository(repository).join("_manifests/tags").join(tag)
    }

    fn bytes(&self, digest: &str) -> Option<PathBuf> {
        let (_, hex) = digest.split_once(':')?;
        Some(self.root.join("blobs").join(ALGORITHM).join(hex.get(..2)?).join(hex).join("data"))
    }

    /// Looks for repositories in a folder and below it: their names may have several parts.
    fn find(folder: &Path, name: &str, found: &mut Vec<String>) -> io::Result<()> {
        for part in names(folder)? {
            let inner = folder.join(&part);
            if part == "_manifests" || part == "_layers" {
                let links =
                    if part == "_layers" { inner.join(ALGORITHM) } else { inner.join("revisions").join(ALGORITHM) };
                if found.last().is_none_or(|last| last != name) && linked(&links)?.next().is_some() {
                    found.push(name.to_owned());
                }
            } else if !part.starts_with('_') {
                Self::find(&inner, &if name.is_empty() { part } else { format!("{name}/{part}") }, found)?;
            }
        }
        Ok(())
    }
}

impl Contents for Storage {
    fn repositories(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        Self::find(&self.root.join("repositories"), "", &mut found)?;
        found.sort();
        Ok(found)
    }

    fn tags(&self, repository: &str) -> io::Result<BTreeMap<String, String>> {
        let folder = self.repository(repository).join("_manifests/tags");
        let mut tags = BTreeMap::new();
        for tag in names(&folder)? {
            if let Some(digest) = link(&folder.join(&tag).join("current/link"))? {
                tags.insert(tag, digest);
            }
        }
        Ok(tags)
    }

    fn manifests(&self, repository: &str) -> io::Result<Vec<String>> {
        let mut digests: Vec<String> =
            linked(&self.repository(repository).join("_manifests/revisions").join(ALGORITHM))?.collect();
        digests.sort();
        Ok(digests)
    }

    fn manifest(&self, repository: &str, digest: &str) -> io::Result<Option<StoredManifest>> {
        let (Some(revision), Some(data)) = (self.revision(repository, digest), self.bytes(digest)) else {
            return Ok(None);
        };
        if !revision.join("link").exists() {
            return Ok(None);
        }
        let bytes = if_there(fs::read(data))?;
        Ok(bytes.map(|bytes| StoredManifest { media_type: media_type(&bytes), bytes }))
    }

    fn has_blob(&self, repository: &str, digest: &str) -> io::Result<bool> {
        let (Some((_, hex)), Some(data)) = (digest.split_once(':'), self.bytes(digest)) else { return Ok(false) };
        let link = self.repository(repository).join("_layers").join(ALGORITHM).join(hex).join("link");
        Ok(link.try_exists()? && data.try_exists()?)
    }

    fn remove_tag(&self, repository: &str, tag: &str) -> io::Result<bool> {
        remove(&self.tag(repository, tag))
    }

    fn remove_manifest(&self, repository: &str, digest: &str) -> io::Result<bool> {
        for (tag, _) in self.tags(repository)?.into_iter().filter(|(_, points_at)| points_at == digest) {
            remove(&self.tag(repository, &tag))?;
        }
        self.revision(repository, digest).map_or(Ok(false), |revision| remove(&revision))
    }
}

/// What is not there is none.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(folder: &Path) -> io::Result<bool> {
    Ok(if_there(fs::remove_dir_all(folder))?.is_some())
}

/// The names in a folder, sorted; none if it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = if_there(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names = entries.map(name).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// The digests that a folder has links to.
fn linked(folder: &Path) -> io::Result<impl Iterator<Item = String>> {
    let folder = folder.to_owned();
    let hexes = names(&folder)?.into_iter().filter(move |hex| folder.join(hex).join("link").exists());
    Ok(hexes.map(|hex| format!("{ALGORITHM}:{hex}")))
}

/// What a link points at, once it is written; none if there is no link.
fn link(file: &Path) -> io::Result<Option<String>> {
    for _ in 0..LOOKS_AT_A_LINK {
        match if_there(fs::read_to_string(file))? {
            Some(text) if text.is_empty() => thread::sleep(BETWEEN_LOOKS),
            found => return Ok(found),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: an empty link", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_waited_for_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link");
        assert_eq!(link(&file).unwrap(), None);
        fs::write(&file, "").unwrap();
        assert_eq!(link(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let late = file.clone();
        let writer = thread::spawn(move || fs::write(late, "sha256:1").unwrap());
        assert_eq!(link(&file).unwrap().as_deref(), Some("sha256:1"));
        writer.join().unwrap();
    }
}
