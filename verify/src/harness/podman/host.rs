//! A podman that knows nothing, as on a hosted runner: a store of its own, empty but for the base images, which it finds in the
//! store of the user who runs the tests, as it would find public ones on a registry.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{process::Command, sync::OnceCell};

use super::command::podman;
use crate::harness::HarnessError;

/// The bases of the images that are built.
const BASES: [&str; 2] = ["localhost/tallyman/base:amd64", "localhost/tallyman/base:arm64"];
/// What makes them, beside the image that is built.
const MAKE_BASES: &str = "make-bases";
/// Registries on this machine may be spoken to over plain HTTP.
const REGISTRIES: &str = "[[registry]]\nprefix = \"127.0.0.1\"\nlocation = \"127.0.0.1\"\ninsecure = true\n";

/// The store of the user who runs the tests.
static USERS_STORE: OnceCell<PathBuf> = OnceCell::const_new();

/// A store and its configuration, below a folder of their own.
#[derive(Debug)]
pub struct PodmanHost {
    folder: PathBuf,
}

impl PodmanHost {
    /// Makes the base images in the store of the user who runs the tests, if they are not there.
    ///
    /// # Errors
    /// podman that is missing or fails; bases that cannot be made.
    pub async fn provide_bases(image: &Path) -> Result<(), HarnessError> {
        let nothing = BTreeMap::new();
        let exists = async |base: &str| Ok::<_, HarnessError>(podman(&nothing, &["image", "exists", base]).await?.success);
        if exists(BASES[0]).await? && exists(BASES[1]).await? {
            return Ok(());
        }
        let program = image.join(MAKE_BASES);
        let output = Command::new(&program).stdin(Stdio::null()).output().await.map_err(HarnessError::at("run", &program))?;
        if output.status.success() {
            return Ok(());
        }
        Err(HarnessError::engine("make the base images")(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// A new one in a new folder.
    ///
    /// # Errors
    /// podman that is missing or fails; files that cannot be written.
    pub async fn new(folder: &Path) -> Result<Self, HarnessError> {
        let users_store = USERS_STORE.get_or_try_init(users_store).await?;
        fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {:?}\n[storage.options]\nadditionalimagestores = [{users_store:?}]\n",
            folder.join("root"),
            folder.join("run"),
        );
        for (name, text) in [("storage.conf", storage.as_str()), ("registries.conf", REGISTRIES), ("auth.json", "{}")] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(HarnessError::at("write", &path))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The variables by which podman, buildah and skopeo find it.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        BTreeMap::from([
            ("CONTAINERS_STORAGE_CONF".to_owned(), file("storage.conf")),
            ("CONTAINERS_REGISTRIES_CONF".to_owned(), file("registries.conf")),
            ("REGISTRY_AUTH_FILE".to_owned(), file("auth.json")),
        ])
    }

    /// Where it keeps who may read which registry.
    pub(super) fn auth_file(&self) -> PathBuf {
        self.folder.join("auth.json")
    }

    /// Removes it with all images, whose files belong to users of a namespace.
    ///
    /// # Errors
    /// podman that is missing; files that stay.
    pub async fn remove(self) -> Result<(), HarnessError> {
        let folder = self.folder.as_os_str();
        let arguments = ["unshare", "rm", "-rf", "--"].map(AsRef::as_ref).into_iter().chain([folder]).collect::<Vec<_>>();
        podman(&BTreeMap::new(), &arguments).await?.ok("remove a store").map(drop)
    }
}

async fn users_store() -> Result<PathBuf, HarnessError> {
    let said = podman(&BTreeMap::new(), &["info", "--format", "{{.Store.GraphRoot}}"]).await?;
    Ok(PathBuf::from(said.ok("tell where its store is")?))
}
