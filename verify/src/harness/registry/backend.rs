//! A running registry, of whatever kind.

use std::sync::Arc;

use super::{
    container::Distribution,
    embedded::{Embedded, EmbeddedSettings, Saved},
    process::Process,
};
use crate::harness::{contents::Contents, error::HarnessError, token::Auth};

/// The kinds of registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Backend {
    /// A stand-in within this process: starts in a millisecond.
    Embedded,
    /// The real registry as a child process.
    Process,
    /// The real registry in a container.
    Container,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::Process, Self::Container];
}

/// A registry on the loopback address, empty when it starts and gone when it is dropped.
pub struct Registry {
    host: String,
    contents: Arc<dyn Contents>,
    running: Running,
}

/// What ends when it is dropped.
enum Running {
    Embedded { registry: Embedded },
    Process { _registry: Process },
    Container { _registry: Box<Distribution> },
}

impl Registry {
    /// Starts a registry that wants tokens if it is told whose to believe.
    ///
    /// # Errors
    /// Programs, images or engines that are missing or fail.
    pub async fn start(backend: Backend, auth: Option<&Auth>) -> Result<Self, HarnessError> {
        match backend {
            Backend::Embedded => Self::embedded(EmbeddedSettings { auth: auth.cloned(), ..Default::default() }).await,
            Backend::Process => {
                let it = Process::start(auth).await?;
                Ok(Self {
                    host: it.host().to_owned(),
                    contents: it.contents(),
                    running: Running::Process { _registry: it },
                })
            }
            Backend::Container => {
                let it = Box::new(Distribution::start(auth).await?);
                Ok(Self {
                    host: it.host().to_owned(),
                    contents: it.contents(),
                    running: Running::Container { _registry: it },
                })
            }
        }
    }

    /// Starts a stand-in that can do more than the real registry.
    ///
    /// # Errors
    /// No port, no temporary folder.
    pub async fn embedded(settings: EmbeddedSettings) -> Result<Self, HarnessError> {
        let it = Embedded::start(settings).await?;
        Ok(Self { host: it.host(), contents: it.contents(), running: Running::Embedded { registry: it } })
    }

    /// Starts another server before what this one holds, with other settings; none before a real registry.
    ///
    /// # Errors
    /// No port.
    pub async fn beside(&self, settings: EmbeddedSettings) -> Result<Option<Self>, HarnessError> {
        let Running::Embedded { registry } = &self.running else { return Ok(None) };
        let it = registry.beside(settings).await?;
        Ok(Some(Self { host: it.host(), contents: it.contents(), running: Running::Embedded { registry: it } }))
    }

    /// What a stand-in holds now, so that it can be put back; nothing of a real registry.
    pub fn save(&self) -> Option<Saved> {
        match &self.running {
            Running::Embedded { registry } => Some(registry.store().save()),
            _ => None,
        }
    }

    /// Makes a stand-in hold what it held once.
    pub fn restore(&self, saved: &Saved) {
        if let Running::Embedded { registry } = &self.running {
            registry.store().restore(saved);
        }
    }

    /// Lets a stand-in note what it holds after each change, until [`Self::changes`] or [`Self::restore`].
    pub fn watch(&self) {
        if let Running::Embedded { registry } = &self.running {
            registry.store().watch();
        }
    }

    /// What a watched stand-in held after each change.
    pub fn changes(&self) -> Vec<Saved> {
        match &self.running {
            Running::Embedded { registry } => registry.store().changes(),
            _ => Vec::new(),
        }
    }

    /// Where it listens, with plain HTTP: `127.0.0.1:41234`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it holds, seen from behind.
    pub fn contents(&self) -> Arc<dyn Contents> {
        Arc::clone(&self.contents)
    }

    /// Of which kind it is.
    pub const fn backend(&self) -> Backend {
        match self.running {
            Running::Embedded { .. } => Backend::Embedded,
            Running::Process { .. } => Backend::Process,
            Running::Container { .. } => Backend::Container,
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("backend", &self.backend()).field("host", &self.host).finish_non_exhaustive()
    }
}
