//! Removes what processes left that were killed.
//!
//! Drop, panics and signals clean up, but nothing can after SIGKILL. So containers carry a label, folders a name and pipelines
//! a variable that name their owner, and what belongs to a dead owner is removed.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rustix::process::{Signal, kill_process};
use testcontainers::bollard::{Docker, query_parameters::RemoveContainerOptionsBuilder};

use super::{
    error::HarnessError,
    lock,
    owner::{LABEL, Owner},
    podman::{remove_as_its_users, remove_hosts_below},
    registry::engine,
    stage_process,
};

/// The label that testcontainers puts on all its containers, with its value.
const MANAGED: &str = "org.testcontainers.managed-by=testcontainers";

/// The right to sweep. One process has it at a time: two would remove the same things.
#[derive(Debug)]
pub struct Sweep(#[expect(dead_code, reason = "is held, not used")] File);

impl Sweep {
    /// Waits until no other process sweeps.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub async fn begin() -> Result<Self, HarnessError> {
        lock::exclusive("sweep").await.map(Self)
    }

    /// Removes the containers and folders of dead processes, and kills the pipelines that they started. Folders go last, since
    /// the others use them, and even if the engine fails. Without an engine there are no containers.
    ///
    /// # Errors
    /// An engine that is there and does not answer, folders that cannot be removed.
    pub async fn leftovers(&self) -> Result<(), HarnessError> {
        processes()?;
        let containers = match engine::connect().await {
            Ok(docker) => containers(&docker).await,
            Err(HarnessError::NoEngine) => Ok(()),
            Err(error) => Err(error),
        };
        folders(&std::env::temp_dir()).await?;
        containers
    }
}

/// Kills the pipelines of dead processes.
fn processes() -> Result<(), HarnessError> {
    for process in stage_process::all().map_err(HarnessError::io("cannot list processes"))? {
        if process.owner().is_some_and(|owner| owner.is_dead()) {
            // It may just have ended.
            let _ = kill_process(process.pid, Signal::KILL);
        }
    }
    Ok(())
}

async fn containers(docker: &Docker) -> Result<(), HarnessError> {
    for container in engine::containers(docker, &[MANAGED, LABEL]).await? {
        let owner = container.labels.get(LABEL).and_then(|owner| Owner::parse(owner));
        if !owner.is_some_and(|owner| owner.is_dead()) {
            continue;
        }
        let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match docker.remove_container(&container.id, Some(force)).await {
            // It was removed meanwhile.
            Err(error) if is_gone(&error) => {}
            removed => removed.map_err(HarnessError::engine("remove a container"))?,
        }
    }
    Ok(())
}

fn is_gone(error: &testcontainers::bollard::errors::Error) -> bool {
    use testcontainers::bollard::errors::Error::DockerResponseServerError;
    matches!(error, DockerResponseServerError { status_code: 404 | 409, .. })
}

async fn folders(parent: &Path) -> Result<(), HarnessError> {
    for entry in fs::read_dir(parent).map_err(HarnessError::at("list", parent))?.flatten() {
        let owner = Owner::of_folder(&entry.file_name().to_string_lossy());
        if owner.is_some_and(|owner| owner.is_dead()) && is_ours(&entry) {
            remove(&entry.path()).await?;
        }
    }
    Ok(())
}

/// Removes a folder of a dead process, with the podman hosts in it, and files of users that exist in podman's namespace alone.
async fn remove(folder: &Path) -> Result<(), HarnessError> {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    remove_hosts_below(folder).await?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == PermissionDenied => remove_as_its_users(folder).await,
        Err(error) if error.kind() != NotFound => Err(HarnessError::at("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Whether this user owns it: other users sweep their own.
fn is_ours(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::owner::{FOLDER_PREFIX, tests::dead};

    #[tokio::test]
    async fn folders_of_the_dead_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir_all(parent.path().join(name).join("data")).unwrap();
        let (left, living) =
            (format!("{FOLDER_PREFIX}{}_a", dead()), format!("{FOLDER_PREFIX}{}_b", Owner::this().unwrap()));
        make(&left);
        make(&living);
        make("tallyman-verify.mine");
        folders(parent.path()).await.unwrap();
        let mut kept: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        kept.sort();
        assert_eq!(kept, [living.as_str(), "tallyman-verify.mine"]);
    }

    /// As a killed build leaves it: in a store, and beside it.
    #[tokio::test]
    async fn files_of_users_of_podmans_namespace_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(format!("{FOLDER_PREFIX}{}_a", dead()));
        fs::create_dir_all(left.join("host/root")).unwrap();
        fs::write(left.join("host/storage.conf"), "").unwrap();
        let script =
            "mkdir \"$1/theirs\" \"$1/host/root/theirs\" && touch \"$1/theirs/file\" \"$1/host/root/theirs/file\" &&
            chmod 700 \"$1/theirs\" \"$1/host/root/theirs\" && chown -R 100:100 \"$1/theirs\" \"$1/host/root/theirs\"";
        let made =
            std::process::Command::new("podman").args(["unshare", "sh", "-c", script, "make"]).arg(&left).status();
        assert!(made.unwrap().success());
        assert!(fs::remove_dir_all(&left).is_err(), "they are this user's own");
        folders(parent.path()).await.unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn pipelines_of_the_dead_are_killed_and_no_others() {
        let start = |owner: &Owner| {
            let mut cat = std::process::Command::new("cat");
            cat.env(stage_process::VARIABLE, format!("{owner}:/x")).stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let (mut left, mut living) = (start(&dead()), start(&Owner::this().unwrap()));
        processes().unwrap();
        assert!(!left.wait().unwrap().success());
        drop(living.stdin.take());
        assert!(living.wait().unwrap().success());
    }
}
