//! Hosts that a process left which was killed: nobody else can remove their files and mounts.

use std::{fs, io, path::Path};

use super::{PodmanHost, host::STORAGE_CONF};
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

fn find(folder: &Path, depth: usize, hosts: &mut Vec<PodmanHost>) -> io::Result<()> {
    if folder.join(STORAGE_CONF).exists() {
        hosts.push(PodmanHost::adopt(folder));
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), depth - 1, hosts)?;
        }
    }
    Ok(())
}
