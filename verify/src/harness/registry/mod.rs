//! Registries to publish to: distribution 2.8, as a child process or in a container.

mod config;
mod container;
pub(in crate::harness) mod engine;
mod image;
mod listing;
mod process;
mod storage;
#[cfg(test)]
pub(in crate::harness) mod tests;

pub use storage::{RepositoryState, Storage, StorageState, StoredManifest};

use crate::harness::{error::HarnessError, token::Auth};
use container::Container;
use process::Process;

/// How a registry is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Backend {
    /// The distribution registry in containers.
    Container,
    /// The distribution registry as processes of this machine: the quickest.
    #[value(alias = "embedded")]
    Process,
}

/// A registry on the loopback address. It ends when it is dropped.
pub struct Registry {
    host: String,
    storage: Storage,
    /// The process or container; ends when it is dropped.
    _running: Box<dyn Send + Sync>,
}

impl Registry {
    /// Starts an empty registry. With `auth` it wants tokens of that token service.
    ///
    /// # Errors
    /// Programs, images or engines that are missing or fail.
    pub async fn start(backend: Backend, auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let storage = Storage::new()?;
        match backend {
            Backend::Process => Self::start_on(&storage, auth).await,
            Backend::Container => {
                let container = Container::start(&storage, auth).await?;
                Ok(Self { host: container.host.clone(), storage, _running: Box::new(container) })
            }
        }
    }

    /// Starts a registry process on a storage, which several registries may share.
    ///
    /// # Errors
    /// A program that is missing or fails.
    pub async fn start_on(storage: &Storage, auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let process = Process::start(storage, auth).await?;
        Ok(Self { host: process.host.clone(), storage: storage.clone(), _running: Box::new(process) })
    }

    /// Where it listens, with plain HTTP: `127.0.0.1:41234`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it stores.
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }
}
