//! What all connections of a proxy share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{expired_tokens::ExpiredTokens, interceptor::Interceptor, stale_tags::StaleTags, table::Table};
use crate::{
    harness::registry::Storage,
    history::{Kind, Operation, Recorder, Service},
};

/// The path of token services.
const TOKEN_PATH: &str = "/token";

/// A proxy's parts.
pub(super) struct State {
    pub(super) name: String,
    pub(super) service: Service,
    /// Whether clients speak TLS.
    pub(super) is_secure: bool,
    pub(super) recorder: Recorder,
    pub(super) table: Table,
    pub(super) stale_tags: StaleTags,
    pub(super) expired_tokens: ExpiredTokens,
    pub(super) interceptor: OnceLock<Arc<dyn Interceptor>>,
    /// The storage whose changes are recorded.
    pub(super) storage: OnceLock<Storage>,
    hosts: Mutex<Hosts>,
}

/// The servers behind, `127.0.0.1:41234` each.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) upstream: Option<String>,
    pub(super) token_service: Option<String>,
}

impl State {
    pub(super) fn new(name: &str, service: Service, is_secure: bool, recorder: Recorder) -> Self {
        Self {
            name: name.to_owned(),
            service,
            is_secure,
            recorder,
            table: Table::default(),
            stale_tags: StaleTags::default(),
            expired_tokens: ExpiredTokens::default(),
            interceptor: OnceLock::new(),
            storage: OnceLock::new(),
            hosts: Mutex::default(),
        }
    }

    pub(super) fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server that requests to a path go to.
    ///
    /// # Errors
    /// In words, that it is not known yet.
    pub(super) fn host(&self, path: &str) -> Result<String, String> {
        let hosts = self.hosts();
        let token_service = hosts.token_service.as_ref().filter(|_| path == TOKEN_PATH);
        let host = token_service.or(hosts.upstream.as_ref()).cloned();
        host.ok_or_else(|| "no upstream is set yet".to_owned())
    }

    /// Lets the storage record the change that an operation has made.
    pub(super) fn record_change(&self, operation: Option<&Operation>) {
        let writes =
            operation.is_some_and(|it| matches!(it.kind, Kind::ManifestPut | Kind::ManifestDelete | Kind::BlobDelete));
        if let Some(Err(error)) = self.storage.get().filter(|_| writes).map(Storage::record_change) {
            self.trouble(&format!("the storage cannot be read: {error}"));
        }
    }

    /// Notes that the harness itself failed.
    pub(super) fn trouble(&self, words: &str) {
        self.recorder.note_trouble(format!("the proxy of {}: {words}", self.name));
    }
}
