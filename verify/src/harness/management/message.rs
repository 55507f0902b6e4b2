//! What is asked of a stand-in and what it answers, apart from any connection.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;
use url::form_urlencoded;

use super::encoding;

/// The words before a token in `Authorization`: `token` is GitHub's, `JWT` Docker Hub's older one.
const SCHEMES: &[&str] = &["bearer", "token", "jwt"];

/// A request that has arrived wholly.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Scheme and host as the client called them: links that start with it lead back by the same way.
    pub(super) base: String,
    /// The path as it was sent.
    pub(super) path: String,
    /// Its segments, decoded. A slash at the end makes none.
    pub(super) segments: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    /// The token in `Authorization`, if there is one of a known scheme.
    pub(super) token: Option<String>,
    /// The body, if it is JSON.
    pub(super) body: Option<Value>,
}

impl Request {
    pub(super) fn new(method: Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = text(HeaderName::from_static("x-forwarded-proto")).unwrap_or("http");
        let path = uri.path().to_owned();
        let token = text(header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
            .map(|(_, token)| token.trim().to_owned());
        Self {
            method,
            base: format!("{scheme}://{}", text(header::HOST).unwrap_or_default()),
            segments: path.trim_matches('/').split('/').map(encoding::decode).collect(),
            path,
            query: form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
            token,
            body: serde_json::from_slice(body).ok(),
        }
    }

    /// The segments, to be matched.
    pub(super) fn route(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// A text in the body.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.body.as_ref()?.get(name)?.as_str()
    }

    /// The same address with parts of the query set anew.
    pub(super) fn address_with(&self, changed: &[(&str, usize)]) -> String {
        let mut query = self.query.clone();
        query.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        format!("{}{}?{query}", self.base, self.path)
    }
}

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Value>,
}

impl Answer {
    /// A status with a body.
    pub(super) fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: HeaderMap::new(), body: Some(body) }
    }

    /// Done, and nothing to say.
    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: None }
    }

    /// The same with one more header. A text that cannot stand in a header is left out.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}
