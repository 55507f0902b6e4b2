//! One request and its answer, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kind, Operation};

/// One request and what came of it. Times are milliseconds since the recorder was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What it is for; none if it is of no known kind.
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

impl Exchange {
    /// Whether it is of such a kind; a request of no known kind never is.
    pub fn is(&self, kind: impl Fn(Kind) -> bool) -> bool {
        self.operation.as_ref().is_some_and(|operation| kind(operation.kind))
    }

    /// Whether the client was told that it succeeded.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it cannot have changed anything, whatever it is for (RFC 9110, section 9.2.1).
    pub fn only_reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}
