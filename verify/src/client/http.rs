//! The HTTP client: GET and HEAD below one repository, nothing that writes.
//!
//! It is made from `reqwest`, not from `oci-client`: that one takes a broken token service for a refusal, follows a list to
//! one platform only, and hides the exact bytes and headers that checks judge.
//!
//! An answer of a registry is data; silence, 429 and 5xx are a [`ClientError`] after a few attempts.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, Response, StatusCode, header};
use tokio::sync::RwLock;

use super::{
    ClientError, Repository,
    error::is_temporary,
    token::{self, Authorization},
};
use crate::history::Challenge;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a registry may stay silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How many attempts a request has.
const ATTEMPTS: u32 = 3;
/// The wait before the second attempt; it doubles with each.
const RETRY_BASE: Duration = Duration::from_millis(500);
/// The longest wait that a registry may ask for; one that asks for more is not asked again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How many redirects are followed: blobs are often served by other hosts. The authorization does not go there.
const REDIRECTS_MAX: usize = 5;
/// The manifests that are accepted: Docker's (distribution, "schema 2") and OCI's (image-spec 1.1). Registries convert what
/// is not accepted, or refuse it.
const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.list.v2+json, \
                        application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.oci.image.manifest.v1+json";

/// Reads one repository. Clones share connections and token.
#[derive(Debug, Clone)]
pub struct Client {
    repository: Arc<Repository>,
    http: reqwest::Client,
    authorization: Arc<RwLock<Authorization>>,
}

impl Client {
    /// A client for a repository.
    ///
    /// # Errors
    /// TLS that cannot be set up, a CA certificate that cannot be read.
    pub fn new(repository: Repository) -> Result<Self, ClientError> {
        // Installing a second time fails and changes nothing: the provider is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |source: reqwest::Error| ClientError::Client { host: repository.host.clone(), source };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tallyman-verify/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX));
        if repository.is_local() {
            builder = builder.no_proxy();
        }
        if let Some(path) = &repository.ca {
            let pem = std::fs::read(path);
            let pem = pem.map_err(|source| ClientError::Certificate { path: path.clone(), source })?;
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?);
        }
        let http = builder.build().map_err(failed)?;
        Ok(Self { repository: Arc::new(repository), http, authorization: Arc::default() })
    }

    /// The repository that it reads.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Gets something below the repository: `manifests/latest`. The status may be a refusal.
    pub(super) async fn get(&self, path: &str) -> Result<Response, ClientError> {
        self.with_retries(Method::GET, path).await
    }

    /// The same by HEAD.
    pub(super) async fn head(&self, path: &str) -> Result<Response, ClientError> {
        self.with_retries(Method::HEAD, path).await
    }

    /// The same with one attempt, for those who ask again anyway.
    pub(super) async fn head_once(&self, path: &str) -> Result<Response, ClientError> {
        self.attempt(Method::HEAD, path).await
    }

    async fn with_retries(&self, method: Method, path: &str) -> Result<Response, ClientError> {
        let mut wait = RETRY_BASE;
        for _ in 1..ATTEMPTS {
            let error = match self.attempt(method.clone(), path).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.retry_after() {
                Some(asked) if asked > RETRY_AFTER_MAX => return Err(error),
                asked => tokio::time::sleep(asked.unwrap_or(wait)).await,
            }
            wait *= 2;
        }
        self.attempt(method, path).await
    }

    /// One request, and a second one if the first was answered with a challenge.
    async fn attempt(&self, method: Method, path: &str) -> Result<Response, ClientError> {
        let mut answer = self.send(method.clone(), path).await?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = header(&answer, "www-authenticate").as_deref().and_then(Challenge::parse)
            && let Some(authorization) = token::answer(&self.http, &self.repository, &challenge).await?
        {
            *self.authorization.write().await = authorization;
            answer = self.send(method, path).await?;
        }
        if is_temporary(answer.status()) {
            return Err(ClientError::status(&self.repository.host, path, &answer));
        }
        Ok(answer)
    }

    async fn send(&self, method: Method, path: &str) -> Result<Response, ClientError> {
        let mut request = self.http.request(method, format!("{}/{path}", self.repository.base()));
        if path.starts_with("manifests/") {
            request = request.header(header::ACCEPT, ACCEPTED);
        }
        let request = match (&*self.authorization.read().await, &self.repository.credentials) {
            (Authorization::Bearer(token), _) => request.bearer_auth(token),
            (Authorization::Basic, Some(it)) => request.basic_auth(&it.user, Some(&it.password)),
            _ => request,
        };
        request.send().await.map_err(|source| self.unreachable(path, source))
    }

    /// An answer's body; none if it is larger than a limit.
    pub(super) async fn body(
        &self,
        what: &str,
        answer: Response,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let body = self.beginning(what, answer, bytes_max + 1).await?;
        Ok((body.len() <= bytes_max).then_some(body))
    }

    /// The beginning of an answer's body: this many bytes at least, if it has them.
    pub(super) async fn beginning(
        &self,
        what: &str,
        mut answer: Response,
        bytes: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while body.len() < bytes {
            match answer.chunk().await.map_err(|source| self.unreachable(what, source))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(body)
    }

    pub(super) fn unreachable(&self, what: &str, source: reqwest::Error) -> ClientError {
        // URLs of redirects are signed, which makes them secrets.
        let source = source.without_url();
        ClientError::Unreachable { host: self.repository.host.clone(), what: what.to_owned(), source }
    }
}

/// A header of an answer, as text.
pub(super) fn header(answer: &Response, name: &str) -> Option<String> {
    text(answer.headers(), name)
}

pub(super) fn text(headers: &header::HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
