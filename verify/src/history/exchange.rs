//! One request and its answer, and the recorder that all servers of a scenario share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::Operation;

/// One request and what came of it. Times are milliseconds since the recorder was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The server that it was sent to: `ghcr`, `dockerhub`, `hub-api`, `github-api`.
    pub server: String,
    /// When its head had arrived.
    pub began_ms: u64,
    /// When its answer, or the connection, had ended.
    pub ended_ms: u64,
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query, redacted.
    pub path: String,
    /// What it is for; none if nobody knows such a request, which a trial must not let pass.
    pub operation: Option<Operation>,
    /// Headers of the request that say something, redacted, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Bytes of its body that arrived.
    pub sent: u64,
    /// The digest of its body, for manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether the registry behind saw it, wholly or in part.
    pub forwarded: bool,
    /// The status that the client was answered with; none if it got no answer.
    pub status: Option<u16>,
    /// Headers of the answer that say something, redacted, names in lower case.
    pub answer_headers: BTreeMap<String, String>,
    /// Bytes of the answer's body that were sent.
    pub received: u64,
    /// The name of the rule that interfered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Collects the exchanges of all servers of a scenario on one clock. Clones share what is collected.
#[derive(Debug, Clone)]
pub struct Recorder {
    start: Instant,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { start: Instant::now(), exchanges: Arc::default() }
    }
}

impl Recorder {
    /// Milliseconds since it was made.
    pub fn now_ms(&self) -> u64 {
        self.at(Instant::now())
    }

    /// Milliseconds from when it was made until a moment.
    pub fn at(&self, moment: Instant) -> u64 {
        let since: Duration = moment.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds an exchange that has ended.
    pub fn record(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    /// What was recorded so far, in the order in which the requests began.
    pub fn history(&self) -> Vec<Exchange> {
        let mut history = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        history.sort_by_key(|exchange| exchange.began_ms);
        history
    }
}
