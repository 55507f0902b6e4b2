//! Answers that the proxy makes itself.

use hyper::{
    HeaderMap, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(in crate::harness) status: StatusCode,
    pub(in crate::harness) headers: HeaderMap,
    pub(in crate::harness) body: Bytes,
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A body in JSON.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self { body: body.to_string().into(), ..Self::empty(status) }.header(CONTENT_TYPE, JSON)
    }

    /// A body of plain text.
    pub fn text(status: StatusCode, body: &'static str) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.header(CONTENT_TYPE, PLAIN)
    }

    /// An error as registries write it (distribution specification 1.1, "Error Codes").
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": message }] }))
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.append(name, value.into());
        self
    }
}

/// A status with the error that registries usually send with it. An invalid status becomes 500.
impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match status {
            StatusCode::FORBIDDEN => "DENIED",
            StatusCode::NOT_FOUND => "NAME_UNKNOWN",
            StatusCode::METHOD_NOT_ALLOWED => "UNSUPPORTED",
            StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
            StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
            _ => "UNKNOWN",
        };
        Self::error(status, code, status.canonical_reason().unwrap_or_default())
    }
}
