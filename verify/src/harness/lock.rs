//! A lock between the processes of one user. It is free again when its file is closed, however its owner ended.

use std::fs::{File, OpenOptions};

use rustix::fs::{FlockOperation, flock};
use tokio::task::spawn_blocking;

use super::error::HarnessError;

/// Waits until nobody else holds the lock of that name.
pub(super) async fn exclusive(name: &str) -> Result<File, HarnessError> {
    let user = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("tallyman-verify.{user}.{name}.lock"));
    let locked = spawn_blocking(move || {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(HarnessError::at("open", &path))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| HarnessError::at("lock", &path)(error.into()))?;
        Ok(file)
    });
    locked.await.map_err(HarnessError::other("cannot wait for a lock"))?
}
