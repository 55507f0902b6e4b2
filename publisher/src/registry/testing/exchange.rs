//! A request as it came and an answer as it goes.

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// The head of a request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
}

impl Request {
    /// A header's value, empty if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How long the body is. Bodies of unknown length are not for registries: many refuse them.
    pub(super) fn length(&self) -> usize {
        assert!(!self.headers.contains_key("transfer-encoding"), "a body without a length: {self:?}");
        assert!(self.headers.get_all("content-length").iter().count() <= 1, "two lengths: {self:?}");
        self.headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap())
    }
}

/// A request that came, for a test to look at.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// How many bytes of the body were read.
    pub(crate) body: usize,
    pub(crate) at: Instant,
}

impl Seen {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The error document of the distribution specification.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::status(status).body(format!(r#"{{"errors":[{{"code":"{code}","message":"as the test wants"}}]}}"#))
    }

    /// With a header, in place of one of the same name.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With the host that it comes from in its headers.
    pub(super) fn at(&self, host: &str) -> Self {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.replace("{host}", host))).collect();
        Self { headers, ..self.clone() }
    }
}
