//! A podman that knows nothing, as on a hosted runner: a store of its own, empty but for the base images, which it finds in
//! a store that holds nothing else, as it would find public ones on a registry.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use tokio::sync::OnceCell;

use super::{bases, removal};
use crate::harness::HarnessError;

/// The file by which a host is known. podman 4.3 takes the place of its run-time files from nowhere else than the user's own
/// configuration, and stores that share it forget each other's mounts.
pub(super) const STORAGE_CONF: &str = "config/containers/storage.conf";
/// What `XDG_CONFIG_HOME` is.
const CONFIG: &str = "config";
/// How podman runs containers is for the user to say.
const CONTAINERS_CONF: &str = "containers/containers.conf";
/// What the folders of run-time files begin with.
const RUN_PREFIX: &str = "tallyman-";
/// The folder of its images.
pub(super) const ROOT: &str = "root";
/// Registries on this machine may be spoken to over plain HTTP.
const REGISTRIES: &str = "[[registry]]\nprefix = \"127.0.0.1\"\nlocation = \"127.0.0.1\"\ninsecure = true\n";

/// Where the base images are, once that is known.
static BASES_STORE: OnceCell<PathBuf> = OnceCell::const_new();

/// A store and its configuration, below a folder of their own. They are removed when it is dropped.
///
/// The user's runtime folder is shared by all hosts, and with it the one pause process of the user: nothing else of podman's
/// stays when a host is gone.
#[derive(Debug)]
pub struct PodmanHost {
    folder: PathBuf,
    removed: bool,
}

impl PodmanHost {
    /// Makes the base images, if nobody did before, in a store that holds nothing else and never changes: images of the
    /// user's own store could serve as a cache, and vanish in the middle of a build.
    ///
    /// # Errors
    /// podman that is missing or fails; bases that cannot be made.
    pub async fn provide_bases(image: &Path) -> Result<(), HarnessError> {
        BASES_STORE.get_or_try_init(|| async { bases::provide(&bases::folder(), image).await }).await.map(drop)
    }

    /// A new one in a new folder, with the bases if they were provided.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn new(folder: &Path) -> Result<Self, HarnessError> {
        Self::with_store(folder, BASES_STORE.get().map(PathBuf::as_path))
    }

    /// A new one in a new folder, that knows no image at all.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn empty(folder: &Path) -> Result<Self, HarnessError> {
        Self::with_store(folder, None)
    }

    /// A new one in a new folder, that also finds the images of a store that never changes.
    pub(super) fn with_store(folder: &Path, bases: Option<&Path>) -> Result<Self, HarnessError> {
        fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
        let run = run(folder);
        let made = [folder.join(CONFIG).join("containers"), run.clone()];
        for folder in &made {
            fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
        }
        if let Some(containers) = user_config().map(|config| config.join(CONTAINERS_CONF)).filter(|it| it.exists()) {
            let copy = folder.join(CONFIG).join(CONTAINERS_CONF);
            fs::copy(&containers, &copy).map_err(HarnessError::at("copy", &containers))?;
        }
        let bases = bases.map(|bases| format!("[storage.options]\nadditionalimagestores = [{}]\n", quoted(bases)));
        let storage = storage_conf(folder, &run) + &bases.unwrap_or_default();
        for (name, text) in [(STORAGE_CONF, storage.as_str()), ("registries.conf", REGISTRIES), ("auth.json", "{}")] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(HarnessError::at("write", &path))?;
        }
        Ok(Self { folder: folder.to_owned(), removed: false })
    }

    /// One that another process made in a folder.
    pub(super) fn adopt(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), removed: false }
    }

    /// The variables by which podman, buildah and skopeo find it. What they learn about blobs on registries is below
    /// `XDG_DATA_HOME`: a push that knows of earlier ones goes differently.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        BTreeMap::from([
            ("XDG_CONFIG_HOME".to_owned(), file(CONFIG)),
            ("CONTAINERS_REGISTRIES_CONF".to_owned(), file("registries.conf")),
            ("REGISTRY_AUTH_FILE".to_owned(), file("auth.json")),
            ("XDG_DATA_HOME".to_owned(), file("data")),
        ])
    }

    /// Where it keeps who may read which registry.
    pub(super) fn auth_file(&self) -> PathBuf {
        self.folder.join("auth.json")
    }

    /// Where its images are.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join(ROOT)
    }

    /// A new folder of its own for something, removed with it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, HarnessError> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(HarnessError::at("make", &folder))?;
        Ok(folder)
    }

    /// Removes it with all containers and images. To be preferred to dropping it: this tells what went wrong.
    ///
    /// # Errors
    /// podman that is missing; files that stay.
    pub async fn remove(mut self) -> Result<(), HarnessError> {
        removal::remove(&self.folder, &run(&self.folder), &self.environment()).await?;
        self.removed = true;
        Ok(())
    }
}

impl Drop for PodmanHost {
    fn drop(&mut self) {
        if !self.removed {
            removal::remove_now(&self.folder, &run(&self.folder), &self.environment());
        }
    }
}

/// A configuration for a store below a folder.
fn storage_conf(folder: &Path, run: &Path) -> String {
    let (root, run) = (quoted(&folder.join(ROOT)), quoted(run));
    format!("[storage]\ndriver = \"overlay\"\ngraphroot = {root}\nrunroot = {run}\n")
}

/// Where the run-time files of a host are. podman 4.3 wants their path to have 50 characters at most.
fn run(folder: &Path) -> PathBuf {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let mut hash = DefaultHasher::new();
    folder.hash(&mut hash);
    runtime.join(format!("{RUN_PREFIX}{:016x}", hash.finish()))
}

/// Where the user's own configuration is.
fn user_config() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)
}

/// A path as TOML has it; JSON's strings are TOML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
