//! Requests and answers of the stand-ins, pages of their listings, and the server.

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
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::task;
use url::form_urlencoded;

use crate::harness::{HarnessError, server::Server};

/// The longest body of a request, in bytes: logins are short.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The words before a token in `Authorization`: `token` is GitHub's, `JWT` Docker Hub's older one.
const SCHEMES: &[&str] = &["bearer", "token", "jwt"];
/// What is encoded in a segment of a path (RFC 3986, 2.3): GitHub's packages have slashes in their names.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
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

/// A name as one segment of a path.
pub(super) fn encode(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
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

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Value>,
}

impl Answer {
    /// A status with a body.
    pub(super) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: HeaderMap::new(), body: Some(body) }
    }

    /// 204 without a body.
    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: None }
    }

    /// The same with the header `Link`. A text that cannot stand in a header is left out.
    pub(super) fn with_links(mut self, links: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(links) {
            self.headers.insert(header::LINK, value);
        }
        self
    }
}

type Respond = dyn Fn(&Request) -> io::Result<Answer> + Send + Sync;

struct Shared {
    respond: Box<Respond>,
    trouble: Mutex<Vec<String>>,
}

/// A running stand-in. It ends when it is dropped.
pub(super) struct StandIn {
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

    pub(super) const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The stand-in's own failures.
    pub(super) fn trouble(&self) -> Vec<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Response<Body> {
    let (head, body) = incoming.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(Answer::json(StatusCode::PAYLOAD_TOO_LARGE, json!({"message": "too large"})));
    };
    let request = Request::new(head, &body);
    let line = format!("{} {}", request.method, request.path);
    let answering = Arc::clone(&shared);
    let answered = task::spawn_blocking(move || (answering.respond)(&request)).await;
    respond(answered.map_err(io::Error::other).and_then(|answer| answer).unwrap_or_else(|error| {
        shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{line}: {error}"));
        Answer::json(StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "the stand-in failed"}))
    }))
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let Some(body) = answer.body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(body.to_string());
    }
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn page(query: &str) -> Page {
        let uri = format!("/list?{query}");
        let (head, ()) = axum::http::Request::get(uri).body(()).unwrap().into_parts();
        Page::of(&Request::new(head, b""), "per_page", 30)
    }

    #[rstest]
    #[case("", (1, 30))]
    #[case("page=3", (3, 30))]
    #[case("per_page=100", (1, 100))]
    #[case("per_page=101", (1, 100))]
    #[case("page=0&per_page=0", (1, 30))]
    #[case("page=-1&per_page=many", (1, 30))]
    fn a_page_is_read_from_the_query(#[case] query: &str, #[case] (number, size): (usize, usize)) {
        assert_eq!(page(query), Page { number, size, parameter: "per_page" });
    }

    proptest! {
        #[test]
        fn all_pages_together_show_everything_once(length in 0_usize..500, size in 1_usize..120) {
            let page = |number| Page { number, size, parameter: "per_page" };
            let last = page(1).last(length);
            let shown: Vec<usize> = (1..=last).flat_map(|number| page(number).range(length)).collect();
            prop_assert_eq!(shown, (0..length).collect::<Vec<_>>());
            prop_assert!(page(last + 1).range(length).is_empty());
            prop_assert!(page(usize::MAX).range(length).is_empty());
        }
    }
}
