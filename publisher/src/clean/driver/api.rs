//! A management interface beside a registry: JSON over HTTPS.

use bytes::Bytes;
use reqwest::{RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde::de::DeserializeOwned;

use crate::{
    clean::Problem,
    http::{RequestError, read_answer},
    oci::is_loopback,
    registry::{Cause, Registry},
};

/// The largest answer that is read, in bytes: a page of a hundred entries with all their tags.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// The address of an interface, and the secrets that its answers are redacted from.
pub(super) struct Api {
    base: Url,
    secrets: Vec<String>,
}

/// An answer with status 2xx.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Api {
    /// An interface at `address`, which `variable` holds. Secrets are sent over TLS or to this machine only.
    pub(super) fn new(variable: &'static str, address: &str, secrets: Vec<String>) -> Result<Self, Problem> {
        let is_safe =
            |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/'))).ok().filter(is_safe);
        let base = base.ok_or_else(|| {
            Problem::new(format!(
                "{variable} is no address that a secret may be sent to: `{address}`, expected https or this machine"
            ))
        })?;
        Ok(Self { base, secrets })
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> Result<Url, Cause> {
        self.base.join(path).map_err(|error| protocol(format!("`{path}` is no path: {error}")))
    }

    /// Sends a request and reads the answer; `None` if its status is 404.
    pub(super) async fn send(&self, registry: &Registry, request: RequestBuilder) -> Result<Option<Answer>, Cause> {
        let response = registry.send_beside(request).await?;
        match response.status() {
            status if status.is_success() => {
                let headers = response.headers().clone();
                Ok(Some(Answer { headers, body: read_answer(response, ANSWER_MAX).await? }))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(RequestError::refused(response, &self.secrets).await.into()),
        }
    }
}

impl Answer {
    /// The document.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Cause> {
        serde_json::from_slice(&self.body).map_err(|_| protocol("the answer is not the document it should be"))
    }
}

/// An answer that breaks the protocol.
pub(super) fn protocol(what: impl Into<String>) -> Cause {
    RequestError::Protocol(what.into()).into()
}
