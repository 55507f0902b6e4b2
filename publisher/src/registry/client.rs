//! A client of one repository on one registry: sends requests with authorization.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use reqwest::{
    Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{self, AsHeaderName},
};
use tokio::time::{Instant, timeout};

use super::{Cause, Hosts, error::check_digest, rate_limiter::RateLimiter};
use crate::{
    auth::{Authorizer, Credential, Scope},
    event::Events,
    http::{ANSWER_TIMEOUT, Deadline, IDLE_TIMEOUT, RequestError, backoff},
    oci::{Digest, Repository},
};

/// The header with the digest of the content.
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// What the clients of one run share.
#[derive(Clone)]
pub struct Shared {
    /// The HTTP client.
    pub http: reqwest::Client,
    /// The hosts.
    pub hosts: Hosts,
    /// The wait after the first failed attempt.
    pub retry_base: Duration,
    /// Where retries are reported.
    pub events: Events,
}

/// One repository on one registry. Cheap to share: all methods take `&self`.
pub struct Registry {
    /// The short name: `ghcr`.
    pub name: String,
    /// The repository: `ghcr.io/acme/hello`.
    pub repository: Repository,
    /// What was sent so far.
    pub traffic: Arc<Traffic>,
    pub(super) base: Url,
    pub(super) authorizer: Authorizer,
    pub(super) limiter: Arc<RateLimiter>,
    pub(super) shared: Shared,
}

/// Counters of one registry, shared by all tasks that talk to it.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Requests made, including those that were answered with a challenge; token servers do not count.
    pub requests: AtomicU64,
    /// Bytes of bodies handed to the network, including those of attempts that failed.
    pub bytes_sent: AtomicU64,
    /// Attempts beyond the first.
    pub retries: AtomicU64,
}

/// The authorization that a request carried, if any: kept with its answer, from which it must be redacted.
#[derive(Clone)]
struct SentAuthorization(Option<header::HeaderValue>);

impl Registry {
    /// Makes a client; nothing is sent yet. `name` is used in messages and hand-over files. `plain_http` is to speak HTTP
    /// without TLS.
    ///
    /// # Errors
    /// [`RequestError::Protocol`] when the host does not make a URL.
    pub fn new(
        name: String,
        repository: Repository,
        plain_http: bool,
        credential: Credential,
        shared: Shared,
    ) -> Result<Self, RequestError> {
        let scheme = if plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/v2/{}/", repository.host.api(), repository.name))
            .map_err(|error| RequestError::Protocol(format!("`{}` is no host: {error}", repository.host)))?;
        let authorizer = Authorizer::new(shared.http.clone(), credential, plain_http);
        let limiter = shared.hosts.limiter(&repository.host);
        Ok(Self { name, repository, traffic: Arc::default(), base, authorizer, limiter, shared })
    }

    /// The wait after `attempt` failed, for what is asked again outside of [`attempts`](Self::attempts).
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        backoff(self.shared.retry_base, attempt, Duration::ZERO, 0.0)
    }

    /// Sends a request about this repository to another interface than the registry's, with its own
    /// authorization. It is counted, waits for its answer and is held back by pauses like any other.
    pub(crate) async fn send_beside(&self, request: RequestBuilder) -> Result<Response, Cause> {
        self.limiter.wait().await;
        Ok(self.execute(request.build().map_err(RequestError::from)?, None).await?)
    }

    /// What a token must allow: pull and push at once, also for looking. One token serves the whole run, a missing right to
    /// push shows at the first request, and a repository that does not exist yet is one that its owner may push to.
    pub(super) fn scope(&self) -> Scope {
        Scope::push(&self.repository.name)
    }

    /// The address of something below `/v2/<name>/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RequestError> {
        self.base.join(path).map_err(|error| RequestError::Protocol(format!("`{path}` is no path: {error}")))
    }

    /// A request to the registry, or to another interface beside it.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.shared.http.request(method, url)
    }

    /// Sends a request whose body is none or in memory, with the usual [`scope`](Self::scope).
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Cause> {
        self.send_scoped(&self.scope(), request).await
    }

    /// Sends a request whose body is none or in memory.
    pub(super) async fn send_scoped(&self, scope: &Scope, request: RequestBuilder) -> Result<Response, Cause> {
        let request = request.build().map_err(RequestError::from)?;
        let repeat = || RequestError::Protocol("the request cannot be repeated".into());
        // Boxed, so that the futures of all operations stay small.
        Box::pin(self.send_each(scope, async || request.try_clone().ok_or_else(repeat))).await
    }

    /// Sends a request with the authorization that `scope` needs; once more with a fresh one if the registry asks.
    ///
    /// `make` builds the request each time, because a body that was streamed is gone. The answer has any status but
    /// 401. Another host than the registry's, where a `Location` may lead, gets no authorization and cannot ask for any;
    /// and nothing is sent without TLS for a registry that has it.
    pub(super) async fn send_each(
        &self,
        scope: &Scope,
        make: impl AsyncFn() -> Result<Request, RequestError>,
    ) -> Result<Response, Cause> {
        self.limiter.wait().await;
        let request = make().await?;
        if self.base.scheme() == "https" && request.url().scheme() != "https" {
            return Err(RequestError::Insecure(request.url().origin().ascii_serialization()).into());
        }
        if request.url().origin() != self.base.origin() {
            return Ok(self.execute(request, None).await?);
        }
        let authorization = self.authorizer.header(scope).await?;
        let mut response = self.execute(request, authorization.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && self.authorizer.challenged(scope, response.headers(), authorization.as_ref()).await?
        {
            let authorization = self.authorizer.header(scope).await?;
            response = self.execute(make().await?, authorization.as_ref()).await?;
        }
        if response.status() == StatusCode::UNAUTHORIZED { Err(self.refused(response).await) } else { Ok(response) }
    }

    /// Sends a request and waits for its answer as long as bytes leave for this registry.
    async fn execute(
        &self,
        mut request: Request,
        authorization: Option<&header::HeaderValue>,
    ) -> Result<Response, RequestError> {
        self.traffic.requests.fetch_add(1, Relaxed);
        let body = request.body().and_then(reqwest::Body::as_bytes);
        self.traffic.bytes_sent.fetch_add(body.map_or(0, <[u8]>::len) as u64, Relaxed);
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        let mut answer = pin!(self.shared.http.execute(request));
        loop {
            let (sent, since) = (self.traffic.bytes_sent.load(Relaxed), Instant::now());
            let waited = timeout(IDLE_TIMEOUT, &mut answer).await;
            let idle = self.traffic.bytes_sent.load(Relaxed) == sent;
            match waited {
                Ok(response) => {
                    let mut response = response?;
                    let since = if idle { since } else { Instant::now() };
                    response.extensions_mut().insert(Deadline(since + ANSWER_TIMEOUT));
                    response.extensions_mut().insert(SentAuthorization(authorization.cloned()));
                    return Ok(response);
                }
                Err(_) if idle => return Err(RequestError::Silent),
                Err(_) => {}
            }
        }
    }

    /// The answer if its status is 200, `None` if it is 404; anything else is an error.
    pub(super) async fn found(&self, response: Response) -> Result<Option<Response>, Cause> {
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(response).await),
        }
    }

    /// Turns an answer with an unexpected status into an error.
    pub(super) async fn refused(&self, response: Response) -> Cause {
        let sent = response.extensions().get().and_then(|SentAuthorization(authorization)| authorization.as_ref());
        let secrets = self.authorizer.secrets(sent);
        Cause::Request(RequestError::refused(response, &secrets).await)
    }
}

/// The `Location` of an answer, absolute or relative to what was asked.
pub(super) fn location(response: &Response) -> Result<Url, RequestError> {
    let text = header_text(response, header::LOCATION);
    let text = text.ok_or_else(|| RequestError::Protocol("the answer names no location".into()))?;
    response.url().join(text).map_err(|_| RequestError::Protocol("the answer names a location that is no URL".into()))
}

/// Fails if the registry says that it stored other content than what it was sent. The specification only recommends that
/// it says so.
pub(super) fn check_content_digest(response: &Response, expected: &Digest) -> Result<(), Cause> {
    header_text(response, CONTENT_DIGEST).map_or(Ok(()), |seen| check_digest(expected, seen))
}

/// A header that is text.
pub(super) fn header_text(response: &Response, name: impl AsHeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}
