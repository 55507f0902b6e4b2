//! What all connections of a proxy share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{arbiter::Arbiter, expiry::Expired, stale::Stale, table::Table};
use crate::history::{Recorder, Service};

/// Where tokens are asked for.
const TOKEN_PATH: &str = "/token";

/// A proxy's parts.
pub(super) struct Site {
    pub(super) name: String,
    pub(super) service: Service,
    /// Whether clients speak TLS.
    pub(super) is_secure: bool,
    pub(super) recorder: Recorder,
    pub(super) table: Table,
    pub(super) stale: Stale,
    pub(super) expired: Expired,
    /// Who is asked about every request before any rule.
    pub(super) arbiter: OnceLock<Arc<dyn Arbiter>>,
    behind: Mutex<Behind>,
}

/// The servers behind, `127.0.0.1:41234` each.
#[derive(Debug, Default)]
pub(super) struct Behind {
    pub(super) service: Option<String>,
    pub(super) tokens: Option<String>,
}

impl Site {
    pub(super) fn new(name: &str, service: Service, is_secure: bool, recorder: Recorder) -> Self {
        Self {
            name: name.to_owned(),
            service,
            is_secure,
            recorder,
            table: Table::default(),
            stale: Stale::default(),
            expired: Expired::default(),
            arbiter: OnceLock::new(),
            behind: Mutex::default(),
        }
    }

    /// The server behind that a path belongs to; none if it is not known yet.
    pub(super) fn behind(&self, path: &str) -> Option<String> {
        self.with_behind(|behind| {
            let tokens = behind.tokens.as_ref().filter(|_| path == TOKEN_PATH);
            tokens.or(behind.service.as_ref()).cloned()
        })
    }

    pub(super) fn with_behind<T>(&self, work: impl FnOnce(&mut Behind) -> T) -> T {
        work(&mut self.behind.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the harness itself failed.
    pub(super) fn trouble(&self, words: &str) {
        self.recorder.note_trouble(format!("the proxy of {}: {words}", self.name));
    }
}
