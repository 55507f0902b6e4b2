//! What the registry holds: repositories in maps, blobs in files that repositories share.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;
use tokio::sync::Mutex as AsyncMutex;

use super::{document::Document, upload::Upload};
use crate::harness::contents::{Contents, StoredManifest};

/// One repository.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Where each tag points.
    pub tags: BTreeMap<String, String>,
    /// Whether it ever had a tag: only then are its tags known to be none.
    pub tagged: bool,
    /// All manifests, tagged or not, by digest.
    pub manifests: BTreeMap<String, Arc<StoredManifest>>,
    /// The digests of all blobs.
    pub blobs: BTreeSet<String>,
}

/// What a registry within this process holds at one moment, repositories by name. The bytes of blobs stay in their files, so it
/// is small and can be put back at once.
#[derive(Debug, Clone, Default)]
pub struct Saved(pub BTreeMap<String, Held>);

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<String, Held>,
    /// By id.
    uploads: HashMap<String, Arc<AsyncMutex<Upload>>>,
    /// What was held after each change of tags, manifests or removal of blobs, while that is watched.
    changes: Option<Vec<Saved>>,
}

impl State {
    fn changed(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.push(Saved(self.repositories.clone()));
        }
    }
}

/// Everything.
#[derive(Debug)]
pub(in crate::harness::registry) struct Store {
    folder: TempDir,
    state: Mutex<State>,
}

impl Store {
    /// An empty store with its files in a folder.
    pub(super) fn new(folder: TempDir) -> Self {
        Self { folder, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, repository: &str, read: impl FnOnce(&Held) -> T) -> Option<T> {
        self.state().repositories.get(repository).map(read)
    }

    fn path_of(&self, digest: &str) -> PathBuf {
        self.folder.path().join(digest.replace(':', "-"))
    }

    /// Begins an upload, and names it.
    pub(super) async fn begin_upload(&self, repository: &str) -> io::Result<String> {
        let id = format!("{:032x}", fastrand::u128(..));
        let upload = Upload::new(repository, self.folder.path().join(&id)).await?;
        self.state().uploads.insert(id.clone(), Arc::new(AsyncMutex::new(upload)));
        Ok(id)
    }

    /// An upload by its name.
    pub(super) fn upload(&self, id: &str) -> Option<Arc<AsyncMutex<Upload>>> {
        self.state().uploads.get(id).cloned()
    }

    /// Forgets an upload and removes what had arrived.
    pub(super) fn cancel_upload(&self, id: &str, upload: &Upload) -> io::Result<()> {
        self.state().uploads.remove(id);
        fs::remove_file(&upload.path)
    }

    /// Turns an upload into a blob of its repository.
    pub(super) fn finish_upload(&self, id: &str, upload: &Upload) -> io::Result<()> {
        let digest = upload.digest();
        let mut state = self.state();
        fs::rename(&upload.path, self.path_of(&digest))?;
        state.uploads.remove(id);
        state.repositories.entry(upload.repository.clone()).or_default().blobs.insert(digest);
        Ok(())
    }

    /// Gives a repository a blob of another one; whether that has it.
    pub(super) fn mount(&self, repository: &str, digest: &str, from: &str) -> bool {
        let mut state = self.state();
        let there = state.repositories.get(from).is_some_and(|it| it.blobs.contains(digest));
        if there {
            state.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.to_owned());
        }
        there
    }

    /// The file of a blob that a repository holds.
    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<PathBuf> {
        let there = self.with(repository, |it| it.blobs.contains(digest))?;
        there.then(|| self.path_of(digest))
    }

    /// Takes a blob from a repository; whether it was there. Others keep it.
    pub(super) fn remove_blob(&self, repository: &str, digest: &str) -> bool {
        self.change(repository, |it| it.blobs.remove(digest))
    }

    /// Changes a repository that is there, and notes it. Whether anything changed.
    fn change(&self, repository: &str, change: impl FnOnce(&mut Held) -> bool) -> bool {
        let mut state = self.state();
        let changed = state.repositories.get_mut(repository).is_some_and(change);
        if changed {
            state.changed();
        }
        changed
    }

    /// What it holds now.
    pub(in crate::harness::registry) fn save(&self) -> Saved {
        Saved(self.state().repositories.clone())
    }

    /// Makes it hold what it held before, or what another store with the same blobs holds. Uploads are forgotten.
    pub(in crate::harness::registry) fn restore(&self, saved: &Saved) {
        let mut state = self.state();
        state.repositories.clone_from(&saved.0);
        state.uploads.clear();
        state.changes = None;
    }

    /// From now on, notes what it holds after each change.
    pub(in crate::harness::registry) fn watch(&self) {
        self.state().changes = Some(Vec::new());
    }

    /// What it held after each change since it was told to watch; it watches no longer.
    pub(in crate::harness::registry) fn changes(&self) -> Vec<Saved> {
        self.state().changes.take().unwrap_or_default()
    }

    /// What a manifest names and the repository does not hold.
    pub(super) fn missing(&self, repository: &str, document: &Document) -> Vec<String> {
        let state = self.state();
        let repository = state.repositories.get(repository);
        let blob = |digest: &&String| repository.is_none_or(|it| !it.blobs.contains(*digest));
        // To distribution 2.8 a blob is as good as a manifest there.
        let child = |digest: &&String| blob(digest) && repository.is_none_or(|it| !it.manifests.contains_key(*digest));
        let blobs = document.blobs.iter().filter(blob);
        blobs.chain(document.children.iter().filter(child)).cloned().collect()
    }

    /// Puts a manifest, and a tag that points at it.
    pub(super) fn put_manifest(&self, repository: &str, digest: &str, manifest: StoredManifest, tag: Option<&str>) {
        let mut state = self.state();
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.to_owned(), Arc::new(manifest));
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest.to_owned());
            repository.tagged = true;
        }
        state.changed();
    }

    /// What a tag points at.
    pub(super) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.with(repository, |it| it.tags.get(tag).cloned())?
    }

    /// A manifest by its digest.
    pub(super) fn find_manifest(&self, repository: &str, digest: &str) -> Option<StoredManifest> {
        self.with(repository, |it| it.manifests.get(digest).map(|manifest| StoredManifest::clone(manifest)))?
    }

    /// The names of all tags, sorted; none if there never was one.
    pub(super) fn tag_names(&self, repository: &str) -> Option<Vec<String>> {
        self.with(repository, |it| it.tagged.then(|| it.tags.keys().cloned().collect()))?
    }

    /// The names of all repositories that were ever pushed to, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        self.state().repositories.keys().cloned().collect()
    }
}

impl Contents for Store {
    fn repositories(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        let full = state.repositories.iter().filter(|(_, it)| !it.manifests.is_empty() || !it.blobs.is_empty());
        Ok(full.map(|(name, _)| name.clone()).collect())
    }

    fn tags(&self, repository: &str) -> io::Result<BTreeMap<String, String>> {
        Ok(self.with(repository, |it| it.tags.clone()).unwrap_or_default())
    }

    fn manifests(&self, repository: &str) -> io::Result<Vec<String>> {
        Ok(self.with(repository, |it| it.manifests.keys().cloned().collect()).unwrap_or_default())
    }

    fn manifest(&self, repository: &str, digest: &str) -> io::Result<Option<StoredManifest>> {
        Ok(self.find_manifest(repository, digest))
    }

    fn has_blob(&self, repository: &str, digest: &str) -> io::Result<bool> {
        Ok(self.blob(repository, digest).is_some())
    }

    fn remove_tag(&self, repository: &str, tag: &str) -> io::Result<bool> {
        Ok(self.change(repository, |it| it.tags.remove(tag).is_some()))
    }

    fn remove_manifest(&self, repository: &str, digest: &str) -> io::Result<bool> {
        Ok(self.change(repository, |it| {
            it.tags.retain(|_, points_at| points_at != digest);
            it.manifests.remove(digest).is_some()
        }))
    }
}
