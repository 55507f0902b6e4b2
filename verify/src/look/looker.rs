//! The reader of registries: GET and HEAD, nothing that writes.
//!
//! It is made from `reqwest`, not from `oci-client`: that one takes a broken token service for "you may not", follows a
//! list to one platform only, and gives an error where the answer itself, exact bytes and headers, is what is wanted.
//!
//! An answer of a registry is data, whatever its status; silence, 429 and 5xx are a [`LookError`] after a few attempts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Method, Response, StatusCode, header};
use tokio::sync::RwLock;

use super::{
    LookError,
    media_type::ACCEPTED,
    place::Place,
    token::{self, Challenge},
};

/// How long a connection may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a registry may stay silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often something is asked for, where the registry gives no answer or says "not now".
pub const ATTEMPTS: u32 = 3;
/// The wait before the second attempt; it doubles with each.
pub const RETRY_BASE: Duration = Duration::from_millis(500);
/// The longest wait that a registry may ask for; one that asks for more is not asked again.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How many redirects are followed: blobs are often served by other hosts. The authorisation does not go there.
const REDIRECTS_MAX: usize = 5;
/// How much of the body of a refusal is kept.
const REFUSAL_CHARS_MAX: usize = 300;

/// A reader of one repository. Clones share connections and token.
#[derive(Debug, Clone)]
pub struct Looker {
    place: Arc<Place>,
    http: reqwest::Client,
    authorization: Arc<RwLock<Authorization>>,
}

/// What is sent along to be let in.
#[derive(Debug, Clone, Default)]
enum Authorization {
    #[default]
    None,
    Basic,
    Bearer(String),
}

/// What a registry answered.
pub(super) enum Answer {
    /// What was asked for.
    Here(Response),
    /// That it does not give it.
    Refused(Refusal),
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What else it says, shortened.
    pub(super) said: String,
}

impl Looker {
    /// A reader of a repository.
    ///
    /// # Errors
    /// TLS that cannot be set up, a CA certificate that cannot be read.
    pub fn new(place: Place) -> Result<Self, LookError> {
        // Installing a second time fails and changes nothing: the provider is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |source: reqwest::Error| LookError::Client { host: place.host.clone(), source };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tallyman-verify/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX));
        if place.is_local() {
            builder = builder.no_proxy();
        }
        if let Some(path) = &place.ca {
            let pem = std::fs::read(path);
            let pem = pem.map_err(|source| LookError::Certificate { path: path.clone(), source })?;
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?);
        }
        let http = builder.build().map_err(failed)?;
        Ok(Self { place: Arc::new(place), http, authorization: Arc::default() })
    }

    /// What it reads.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Asks for something below the repository: `manifests/latest`.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, LookError> {
        self.patiently(Method::GET, path).await
    }

    /// Asks whether something is there.
    pub(super) async fn head(&self, path: &str) -> Result<Answer, LookError> {
        self.patiently(Method::HEAD, path).await
    }

    /// Asks whether something is there, and takes no answer for an answer: for those who will ask again anyway.
    pub(super) async fn head_once(&self, path: &str) -> Result<Answer, LookError> {
        self.authorized(Method::HEAD, path).await
    }

    /// Asks again where that may help, and when the registry says that it may be asked again.
    async fn patiently(&self, method: Method, path: &str) -> Result<Answer, LookError> {
        let mut wait = RETRY_BASE;
        for _ in 1..ATTEMPTS {
            let error = match self.authorized(method.clone(), path).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.retry_after() {
                Some(asked) if asked > RETRY_AFTER_MAX => return Err(error),
                asked => tokio::time::sleep(asked.unwrap_or(wait)).await,
            }
            wait *= 2;
        }
        self.authorized(method, path).await
    }

    /// One request, and another one if a token has to be fetched first.
    async fn authorized(&self, method: Method, path: &str) -> Result<Answer, LookError> {
        let answer = self.send(method.clone(), path).await?;
        let answer = if answer.status() == StatusCode::UNAUTHORIZED && self.authorize(&answer).await? {
            self.send(method, path).await?
        } else {
            answer
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(Answer::Here(answer));
        }
        if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return Err(LookError::unavailable(&self.place.host, path, &answer));
        }
        Ok(Answer::Refused(self.refusal(path, answer).await?))
    }

    async fn send(&self, method: Method, path: &str) -> Result<Response, LookError> {
        let mut request = self.http.request(method, format!("{}/{path}", self.place.base()));
        if path.starts_with("manifests/") {
            request = request.header(header::ACCEPT, ACCEPTED.join(", "));
        }
        match (&*self.authorization.read().await, &self.place.credentials) {
            (Authorization::Bearer(token), _) => request = request.bearer_auth(token),
            (Authorization::Basic, Some(it)) => request = request.basic_auth(&it.user, Some(&it.password)),
            _ => {}
        }
        request.send().await.map_err(|source| self.unreachable(path, source))
    }

    /// Does what a 401 asks for; whether that changed anything.
    async fn authorize(&self, answer: &Response) -> Result<bool, LookError> {
        let header = answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let authorization = match header.and_then(Challenge::read) {
            Some(Challenge::Basic) if self.place.credentials.is_some() => Authorization::Basic,
            Some(challenge) => match token::fetch(&self.http, &self.place, &challenge).await? {
                Some(token) => Authorization::Bearer(token),
                None => return Ok(false),
            },
            None => return Ok(false),
        };
        *self.authorization.write().await = authorization;
        Ok(true)
    }

    async fn refusal(&self, path: &str, mut answer: Response) -> Result<Refusal, LookError> {
        let status = answer.status();
        let mut said = Vec::new();
        while said.len() < REFUSAL_CHARS_MAX {
            match answer.chunk().await.map_err(|source| self.unreachable(path, source))? {
                Some(chunk) => said.extend_from_slice(&chunk),
                None => break,
            }
        }
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(REFUSAL_CHARS_MAX).collect();
        let said = if said.is_empty() { status.canonical_reason().unwrap_or_default().to_owned() } else { said };
        Ok(Refusal { status: status.as_u16(), said })
    }

    /// The body of an answer, unless it is larger than a limit.
    pub(super) async fn body(
        &self,
        what: &str,
        mut answer: Response,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, LookError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(what, &mut answer).await? {
            body.extend_from_slice(&chunk);
            if body.len() > bytes_max {
                return Ok(None);
            }
        }
        Ok(Some(body))
    }

    /// The next piece of an answer's body; none at its end.
    pub(super) async fn chunk(&self, what: &str, answer: &mut Response) -> Result<Option<Bytes>, LookError> {
        answer.chunk().await.map_err(|source| self.unreachable(what, source))
    }

    fn unreachable(&self, what: &str, source: reqwest::Error) -> LookError {
        // URLs of redirects are signed: what is in them is a secret.
        LookError::Unreachable { host: self.place.host.clone(), what: what.to_owned(), source: source.without_url() }
    }
}

/// A header of an answer, as text.
pub(super) fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}
