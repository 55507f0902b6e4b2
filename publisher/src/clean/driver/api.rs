//! A management interface beside a registry: JSON over HTTPS with a bearer token.

use bytes::Bytes;
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
};
use serde::de::DeserializeOwned;

use crate::{
    clean::{CleanError, error::protocol},
    http::{Redactor, Refusal, RequestError, read_answer},
    registry::{Cause, Registry},
};

/// The largest answer that is read, in bytes: a page of a hundred entries with all their tags.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Where an interface is, and which texts it must not be quoted with.
pub(super) struct Api {
    base: Url,
    redactor: Redactor,
}

/// A good answer, or 404.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Api {
    /// An interface below `address`, which stands in `variable`. Secrets go over TLS or to this machine.
    pub(super) fn new(variable: &'static str, address: &str, secrets: Vec<String>) -> Result<Self, CleanError> {
        let refuse = || CleanError::Address { variable, address: address.into() };
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/'))).map_err(|_| refuse())?;
        let here = match base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        let good = base.scheme() == "https" || (base.scheme() == "http" && here);
        if good { Ok(Self { base, redactor: Redactor::new(secrets) }) } else { Err(refuse()) }
    }

    /// The address of something below.
    pub(super) fn url(&self, path: &str) -> Result<Url, Cause> {
        self.base.join(path).map_err(|error| protocol(format!("`{path}` is no path: {error}")))
    }

    /// Sends a request and reads the answer: a good one, or that there is no such thing.
    pub(super) async fn send(&self, registry: &Registry, request: RequestBuilder) -> Result<Answer, Cause> {
        let response = registry.send_beside(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() || status == StatusCode::NOT_FOUND {
            let body = read_answer(response, ANSWER_MAX).await?;
            return Ok(Answer { status, headers, body });
        }
        Err(RequestError::Refused(Box::new(Refusal::of(response, &self.redactor).await)).into())
    }
}

impl Answer {
    /// Whether there is no such thing.
    pub(super) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The document. An answer that is not as it should be is never half believed.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Cause> {
        serde_json::from_slice(&self.body).map_err(|_| protocol("the answer is not the document it should be"))
    }
}

/// An `Authorization` header with a bearer token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, Cause> {
    let mut header =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| protocol("the token does not fit in a header"))?;
    header.set_sensitive(true);
    Ok(header)
}
