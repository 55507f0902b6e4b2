//! Requests to the stand-ins, pages of their listings, and the server.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request as Incoming, State},
    http::{HeaderName, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::task;
use url::form_urlencoded;

use crate::harness::{HarnessError, proxy::Answer, server::Server};

/// The longest body of a request, in bytes: logins are short.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The words before a token in `Authorization`: `token` is GitHub's, `JWT` Docker Hub's older one.
const SCHEMES: &[&str] = &["bearer", "token", "jwt"];
/// The longest page of a listing, at GitHub and at Docker Hub.
const PAGE_SIZE_MAX: usize = 100;

/// A whole request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Scheme and host as the client called them, for links.
    pub(super) base: String,
    /// The path as it was sent.
    path: String,
    /// The path's segments, decoded. A slash at the end makes none.
    segments: Vec<String>,
    query: BTreeMap<String, String>,
    /// The token in `Authorization`, if it has a known scheme.
    pub(super) token: Option<String>,
    /// The body, if it is JSON.
    body: Value,
}

impl Request {
    fn new(head: Parts, body: &[u8]) -> Self {
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = text(HeaderName::from_static("x-forwarded-proto")).unwrap_or("http");
        let path = head.uri.path().to_owned();
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let token = text(header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
            .map(|(_, token)| token.trim().to_owned());
        Self {
            base: format!("{scheme}://{}", text(header::HOST).unwrap_or_default()),
            segments: path.trim_matches('/').split('/').map(decode).collect(),
            path,
            query: form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
            token,
            body: serde_json::from_slice(body).unwrap_or_default(),
            method: head.method,
        }
    }

    /// The decoded segments of the path, to be matched.
    pub(super) fn route(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// A text in the body.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The address of another page of the same listing.
    pub(super) fn page_address(&self, page: Page, number: usize) -> String {
        let mut query = self.query.clone();
        query.extend([("page", number), (page.parameter, page.size)].map(|(name, it)| (name.into(), it.to_string())));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        format!("{}{}?{query}", self.base, self.path)
    }
}

/// A page of a listing, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) number: usize,
    size: usize,
    /// The name of the query's parameter for the size.
    parameter: &'static str,
}

impl Page {
    /// The page that a request asks for. Invalid numbers count as absent, larger sizes as the largest.
    pub(super) fn of(request: &Request, parameter: &'static str, default_size: usize) -> Self {
        let number = |name| request.parameter(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        let size: usize = number(parameter).unwrap_or(default_size);
        Self { number: number("page").unwrap_or(1), size: size.min(PAGE_SIZE_MAX), parameter }
    }

    /// The entries that it shows of a listing of this length.
    pub(super) fn range(self, length: usize) -> Range<usize> {
        let start = (self.number - 1).saturating_mul(self.size).min(length);
        start..start.saturating_add(self.size).min(length)
    }

    /// The last page of a listing of this length. There is always a first one.
    pub(super) fn last(self, length: usize) -> usize {
        length.div_ceil(self.size).max(1)
    }
}

type Respond = dyn Fn(&Request) -> io::Result<Answer> + Send + Sync;

struct Shared {
    respond: Box<Respond>,
    trouble: Mutex<Vec<String>>,
}

/// A running stand-in. It ends when it is dropped.
pub struct StandIn {
    server: Server,
    shared: Arc<Shared>,
}

impl StandIn {
    /// Answers every request with what `respond` returns. It reads files, so it runs on a thread that may block.
    pub(super) async fn start(
        respond: impl Fn(&Request) -> io::Result<Answer> + Send + Sync + 'static,
    ) -> Result<Self, HarnessError> {
        let shared = Arc::new(Shared { respond: Box::new(respond), trouble: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The stand-in's own failures. What was seen then proves nothing.
    pub fn trouble(&self) -> Vec<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Response {
    let (head, body) = incoming.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let request = Request::new(head, &body);
    let line = format!("{} {}", request.method, request.path);
    let answering = Arc::clone(&shared);
    let answered = task::spawn_blocking(move || (answering.respond)(&request)).await;
    let answer = answered.map_err(io::Error::other).and_then(|answer| answer).unwrap_or_else(|error| {
        shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{line}: {error}"));
        Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the stand-in failed")
    });
    (answer.status, answer.headers, Body::from(answer.body)).into_response()
}
