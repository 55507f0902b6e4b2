//! A repository on a registry, ready to be talked to.

use std::{pin::pin, sync::Arc};

use reqwest::{Method, Request, RequestBuilder, Response, StatusCode, Url, header};
use tokio::time::{Instant, timeout};

use super::{Cause, Hosts, Traffic, turns::Turns};
use crate::{
    auth::{Authorizer, Credential, Scope},
    event::Events,
    http::{ANSWER_TIMEOUT, Backoff, Deadline, IDLE_TIMEOUT, Refusal, RequestError},
    oci::Repository,
};

/// One repository on one registry. Cheap to share: all methods take `&self`.
pub struct Registry {
    pub(super) name: String,
    pub(super) repository: Repository,
    pub(super) base: Url,
    pub(super) http: reqwest::Client,
    pub(super) authorizer: Authorizer,
    pub(super) backoff: Backoff,
    pub(super) turns: Arc<Turns>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) events: Events,
}

/// The authorization of a request, kept with its answer, which may repeat it.
#[derive(Clone)]
struct Carried(header::HeaderValue);

/// What a [`Registry`] is made from.
pub struct RegistryOptions {
    /// The short name, `ghcr`, used in messages and hand-over files.
    pub name: String,
    /// Where images go.
    pub repository: Repository,
    /// Whether to speak HTTP without TLS.
    pub plain_http: bool,
    /// Who we are there.
    pub credential: Credential,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// The client, shared by all registries of a run.
    pub http: reqwest::Client,
    /// The hosts, shared likewise.
    pub hosts: Hosts,
    /// Where retries are told.
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
            turns: hosts.turns(&repository.host),
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

    /// The client for what is asked elsewhere about this repository.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request about this repository to another interface than the registry's, with whatever authorization it
    /// carries itself. It is counted, waits for its answer and keeps out of pauses like any other.
    pub(crate) async fn send_beside(&self, request: RequestBuilder) -> Result<Response, Cause> {
        self.turns.pause.over().await;
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

    /// Sends a request with the authorization that `scope` needs; once more with a fresh one if the registry asks.
    ///
    /// `make` builds the request anew each time, because a body that was sent is gone. The answer has any status but
    /// 401. Another host than the registry's, where a `Location` may lead, gets no authorization and cannot ask for any;
    /// and nothing is sent without TLS for a registry that has it.
    pub(super) async fn send(
        &self,
        scope: &Scope,
        make: impl AsyncFn() -> Result<RequestBuilder, RequestError>,
    ) -> Result<Response, Cause> {
        self.turns.pause.over().await;
        let request = make().await?.build().map_err(RequestError::from)?;
        if self.base.scheme() == "https" && request.url().scheme() != "https" {
            return Err(RequestError::Insecure { to: request.url().origin().ascii_serialization() }.into());
        }
        if request.url().origin() != self.base.origin() {
            return Ok(self.execute(request, None).await?);
        }
        let authorization = self.authorizer.header(scope).await?;
        let response = self.execute(request, authorization.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if !self.authorizer.challenged(scope, response.headers(), authorization.as_ref()).await? {
            return Err(self.refused(response).await);
        }
        let authorization = self.authorizer.header(scope).await?;
        let request = make().await?.build().map_err(RequestError::from)?;
        let response = self.execute(request, authorization.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED { Err(self.refused(response).await) } else { Ok(response) }
    }

    /// Sends a request and waits for its answer as long as bytes leave for this registry.
    async fn execute(
        &self,
        mut request: Request,
        authorization: Option<&header::HeaderValue>,
    ) -> Result<Response, RequestError> {
        self.traffic.request();
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
                        response.extensions_mut().insert(Carried(value.clone()));
                    }
                    return Ok(response);
                }
                Err(_) if idle => return Err(RequestError::Silent),
                Err(_) => {}
            }
        }
    }

    /// Turns an answer that nobody expected into the cause of a failed attempt.
    pub(super) async fn refused(&self, response: Response) -> Cause {
        let carried = response.extensions().get().map(|Carried(authorization)| authorization);
        let redactor = self.authorizer.redactor(carried);
        Cause::Request(RequestError::Refused(Box::new(Refusal::of(response, &redactor).await)))
    }
}
