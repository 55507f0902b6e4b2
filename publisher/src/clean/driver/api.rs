//! A management interface beside a registry: JSON over HTTPS.

use bytes::Bytes;
use reqwest::{RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde::de::DeserializeOwned;

use crate::{
    clean::CleanError,
    http::{RequestError, read_answer},
    registry::{Cause, Registry},
};

/// The largest answer that is read, in bytes: a page of a hundred entries with all their tags.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// The address of an interface, and the secrets that its answers are redacted from.
pub(super) struct Api {
    base: Url,
    secrets: Vec<String>,
}

/// An answer with status 2xx or 404.
pub(super) struct Answer {
    status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Api {
    /// An interface at `address`, which `variable` holds. Secrets are sent over TLS or to this machine only.
    pub(super) fn new(variable: &'static str, address: &str, secrets: Vec<String>) -> Result<Self, CleanError> {
        let refuse = || CleanError::Address { variable, address: address.into() };
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/'))).map_err(|_| refuse())?;
        let is_local = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_safe = base.scheme() == "https" || (base.scheme() == "http" && is_local);
        if is_safe { Ok(Self { base, secrets }) } else { Err(refuse()) }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> Result<Url, Cause> {
        self.base.join(path).map_err(|error| protocol(format!("`{path}` is no path: {error}")))
    }

    /// Sends a request and reads the answer.
    pub(super) async fn send(&self, registry: &Registry, request: RequestBuilder) -> Result<Answer, Cause> {
        let response = registry.send_beside(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() || status == StatusCode::NOT_FOUND {
            let body = read_answer(response, ANSWER_MAX).await?;
            return Ok(Answer { status, headers, body });
        }
        Err(RequestError::refused(response, &self.secrets).await.into())
    }
}

impl Answer {
    /// Whether the status is 404.
    pub(super) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The document.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Cause> {
        serde_json::from_slice(&self.body).map_err(|_| protocol("the answer is not the document it should be"))
    }
}

/// An answer that breaks the protocol.
pub(super) fn protocol(what: impl Into<String>) -> Cause {
    RequestError::Protocol(what.into()).into()
}
