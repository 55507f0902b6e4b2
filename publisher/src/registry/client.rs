//! A client of one repository on one registry: sends requests with authorization.

use std::{pin::pin, sync::Arc};

use reqwest::{Method, Request, RequestBuilder, Response, StatusCode, Url, header};
use tokio::time::{Instant, timeout};

use super::{Cause, Hosts, Traffic, rate_limiter::RateLimiter};
use crate::{
    auth::{Authorizer, Credential, Scope},
    event::Events,
    http::{ANSWER_TIMEOUT, Backoff, Deadline, IDLE_TIMEOUT, Refusal, RequestError},
    oci::{Digest, Repository},
};

/// The header with the digest of the content.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// One repository on one registry. Cheap to share: all methods take `&self`.
pub struct Registry {
    pub(super) name: String,
    pub(super) repository: Repository,
    pub(super) base: Url,
    pub(super) http: reqwest::Client,
    pub(super) authorizer: Authorizer,
    pub(super) backoff: Backoff,
    pub(super) limiter: Arc<RateLimiter>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) events: Events,
}

/// The authorization that a request carried, kept with its answer, from which it must be redacted.
#[derive(Clone)]
struct SentAuthorization(header::HeaderValue);

/// What a [`Registry`] is made from.
pub struct RegistryOptions {
    /// The short name, `ghcr`, used in messages and hand-over files.
    pub name: String,
    /// Where images go.
    pub repository: Repository,
    /// Whether to speak HTTP without TLS.
    pub plain_http: bool,
    /// The credential.
    pub credential: Credential,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// The client, shared by all registries of a run.
    pub http: reqwest::Client,
    /// The hosts, shared likewise.
    pub hosts: Hosts,
    /// Where retries are reported.
    pub events: Events,
}

impl Registry {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`RequestError::Protocol`] when the host does not make a URL.
    pub fn new(options: RegistryOptions) -> Result<Self, RequestError> {
        let RegistryOptions { name, repository, plain_http, credential, backoff, http, hosts, events } = options;
        let scheme = if plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/v2/{}/", repository.host.api(), repository.name))
            .map_err(|error| RequestError::Protocol(format!("`{}` is no host: {error}", repository.host)))?;
        Ok(Self {
            name,
            base,
            authorizer: Authorizer::new(http.clone(), credential, plain_http),
            http,
            backoff,
            limiter: hosts.limiter(&repository.host),
            traffic: Arc::default(),
            events,
            repository,
        })
    }

    /// The short name: `ghcr`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The repository: `ghcr.io/acme/hello`.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What was sent so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The waits between attempts.
    pub(crate) fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// The HTTP client, for other interfaces.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
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

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
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
            return Err(RequestError::Insecure { to: request.url().origin().ascii_serialization() }.into());
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
        self.traffic.request();
        let body = request.body().and_then(reqwest::Body::as_bytes);
        self.traffic.sent(body.map_or(0, <[u8]>::len));
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        let mut answer = pin!(self.http.execute(request));
        loop {
            let (sent, since) = (self.traffic.bytes_sent(), Instant::now());
            let waited = timeout(IDLE_TIMEOUT, &mut answer).await;
            let idle = self.traffic.bytes_sent() == sent;
            match waited {
                Ok(response) => {
                    let mut response = response?;
                    let since = if idle { since } else { Instant::now() };
                    response.extensions_mut().insert(Deadline(since + ANSWER_TIMEOUT));
                    if let Some(value) = authorization {
                        response.extensions_mut().insert(SentAuthorization(value.clone()));
                    }
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
        let carried = response.extensions().get().map(|SentAuthorization(authorization)| authorization);
        let redactor = self.authorizer.redactor(carried);
        Cause::Request(RequestError::Refused(Box::new(Refusal::of(response, &redactor).await)))
    }
}

/// The `Location` of an answer, absolute or relative to what was asked.
pub(super) fn location(response: &Response) -> Result<Url, RequestError> {
    let text = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let text = text.ok_or_else(|| RequestError::Protocol("the answer names no location".into()))?;
    response.url().join(text).map_err(|_| RequestError::Protocol("the answer names a location that is no URL".into()))
}

/// The digest that an answer gives for its content. The specification only recommends it.
pub(super) fn content_digest(response: &Response) -> Option<&str> {
    response.headers().get(CONTENT_DIGEST)?.to_str().ok()
}

/// Fails if the registry says that it stored other content than what it was sent.
pub(super) fn check_content_digest(response: &Response, expected: &Digest) -> Result<(), Cause> {
    match content_digest(response) {
        Some(seen) if seen != expected.as_ref() => {
            // Text that is no digest is not quoted.
            let seen = seen.parse().map_or_else(|_| "something else".into(), |seen: Digest| seen.to_string());
            Err(Cause::DigestMismatch { expected: expected.clone(), seen })
        }
        _ => Ok(()),
    }
}
