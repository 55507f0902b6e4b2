//! The base images, in a store of their own that all processes of this user read and nobody ever writes to.
//!
//! It is made beside its place, by one process at a time, and put there whole; its name says what it was made of. So a
//! reader never sees half of it, and nothing that is made later touches what he reads. podman itself must never open it
//! but as an additional store: one that it takes for its own it locks, writes to and mounts, even to look for an image.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::{PodmanHost, command::podman, version};
use crate::harness::{HarnessError, lock};

/// What makes the base images, beside the image that is built.
const MAKE_BASES: &str = "make-bases";
/// Of what it makes them.
const CONTAINERFILE: &str = "Containerfile.base";
/// The folder of the stores, below the user's cache.
const FOLDER: &str = "tallyman/verify-bases";
/// The folder in which a store is made, below that of the stores.
const UNFINISHED: &str = "unfinished";
/// How many bytes of a digest name a store.
const NAME_BYTES: usize = 8;
/// Takes away that podman mounts a store onto itself: it goes on reading by that mount when the store has moved.
const UNMOUNT: &str = r#"! grep -q " $1/overlay " /proc/self/mountinfo || umount -l "$1/overlay""#;

/// The folder of this user's stores.
pub(super) fn folder() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")));
    cache.unwrap_or_else(env::temp_dir).join(FOLDER)
}

/// Where the store of the bases is, below the folder of the stores. It is made if nobody did before.
pub(super) async fn provide(stores: &Path, image: &Path) -> Result<PathBuf, HarnessError> {
    let store = stores.join(name(image).await?);
    if store.exists() {
        return Ok(store);
    }
    let _lock = lock::exclusive("bases").await?;
    if !store.exists() {
        make(&stores.join(UNFINISHED), &store, image).await?;
    }
    Ok(store)
}

/// A name that no other bases have: podman's version says how it keeps images.
async fn name(image: &Path) -> Result<String, HarnessError> {
    let mut digest = Sha256::new_with_prefix(version().await?);
    for file in [MAKE_BASES, CONTAINERFILE] {
        let path = image.join(file);
        digest.update(fs::read(&path).map_err(HarnessError::at("read", &path))?);
    }
    let digest = digest.finalize();
    Ok(digest.iter().take(NAME_BYTES).fold(String::new(), |name, byte| name + &format!("{byte:02x}")))
}

async fn make(unfinished: &Path, store: &Path, image: &Path) -> Result<(), HarnessError> {
    if unfinished.exists() {
        // Who made it was killed: he would hold the lock otherwise.
        PodmanHost::adopt(unfinished).remove().await?;
    }
    let host = PodmanHost::empty(unfinished)?;
    let program = image.join(MAKE_BASES);
    let made = Command::new(&program).envs(host.environment()).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let made = made.map_err(HarnessError::at("run", &program))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        return Err(HarnessError::engine("make the base images")(said));
    }
    let root = host.root();
    let unmount = ["unshare", "sh", "-c", UNMOUNT, "unmount", &root.to_string_lossy()];
    podman(&BTreeMap::new(), &unmount).await?.ok("unmount a store")?;
    fs::rename(&root, store).map_err(HarnessError::at("put in place", store))?;
    host.remove().await
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::harness::podman::remove_as_its_users;

    /// The image of the fixtures, wherever the tests run.
    fn image() -> PathBuf {
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../fixtures/image")
    }

    /// All files of a folder, also those of others, with what changes when somebody writes to them.
    async fn listing(folder: &Path) -> String {
        let list = ["unshare", "find", &folder.to_string_lossy(), "-printf", "%p %i %s %m %T@ %C@\n"];
        podman(&BTreeMap::new(), &list).await.unwrap().ok("list files").unwrap()
    }

    /// Finds the bases and builds with them in a store of its own, as each build of a trial does.
    async fn build(folder: PathBuf, stores: &Path) -> PathBuf {
        let store = provide(stores, &image()).await.unwrap();
        let host = PodmanHost::with_store(&folder.join("host"), Some(&store)).unwrap();
        fs::create_dir(folder.join("context")).unwrap();
        let folder = folder.join("context");
        fs::write(folder.join("Containerfile"), "FROM localhost/tallyman/base:amd64\nRUN echo built >/built\n")
            .unwrap();
        let build = ["build", "--pull=never", "--network=none", &folder.to_string_lossy()];
        podman(&host.environment(), &build).await.unwrap().ok("build").unwrap();
        host.remove().await.unwrap();
        store
    }

    #[tokio::test]
    async fn bases_are_made_once_by_whoever_comes_first_and_nobody_ever_writes_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let stores = folder.path().join("stores");
        // Somebody was killed while he made them.
        fs::create_dir_all(stores.join(UNFINISHED).join("root/overlay-images")).unwrap();
        let builds = (0..4).map(|number| build(folder.path().join(format!("build-{number}")), &stores));
        let found = join_all(builds).await;
        assert!(found.iter().all(|store| *store == found[0]), "{found:?}");
        let entries: Vec<_> = fs::read_dir(&stores).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(entries, [found[0].clone()]);

        let made = listing(&stores).await;
        build(folder.path().join("another"), &stores).await;
        assert_eq!(listing(&stores).await, made);
        let mounts = podman(&BTreeMap::new(), &["unshare", "cat", "/proc/self/mountinfo"]).await.unwrap().stdout;
        assert!(!mounts.contains(&*folder.path().to_string_lossy()), "{mounts}");
        remove_as_its_users(folder.path()).await.unwrap();
    }
}
