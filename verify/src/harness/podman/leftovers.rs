//! Hosts that a process left which was killed: nobody else can remove their files and mounts.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{PodmanHost, host::STORAGE_CONF, removal};
use crate::harness::HarnessError;

/// How deep below a folder hosts are looked for.
const DEPTH_MAX: usize = 6;

/// Removes all hosts below a folder, whoever made them. Their folders' parents stay.
///
/// # Errors
/// podman that is missing; files that stay.
pub async fn remove_hosts_below(folder: &Path) -> Result<(), HarnessError> {
    let mut hosts = Vec::new();
    find(folder, DEPTH_MAX, &mut hosts).map_err(HarnessError::at("search", folder))?;
    for host in hosts {
        host.remove().await?;
    }
    Ok(())
}

/// Removes a folder with files of users that exist only in podman's namespace, as stores have them.
///
/// # Errors
/// podman that is missing; files that stay.
pub async fn remove_as_its_users(folder: &Path) -> Result<(), HarnessError> {
    removal::remove(folder, folder, &BTreeMap::new()).await
}

fn find(folder: &Path, depth: usize, hosts: &mut Vec<PodmanHost>) -> io::Result<()> {
    if folder.join(STORAGE_CONF).exists() {
        hosts.push(PodmanHost::adopt(folder));
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = match fs::read_dir(folder) {
        // What belongs to a user that only podman knows is part of a store; hosts are made by users like this one.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), depth - 1, hosts)?;
        }
    }
    Ok(())
}
