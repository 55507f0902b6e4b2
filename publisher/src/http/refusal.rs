//! A request that did not succeed, kept so that it can be judged and shown.

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response,
    header::{HeaderMap, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use thiserror::Error;

use super::{Redactor, client::read_into};

/// How much of an error's body is read, in bytes. A registry's error document is short; an HTML page is not wanted.
const BODY_MAX: usize = 16 * 1024;
/// How much of a body that is no error document is shown, in characters.
const SHOWN_MAX: usize = 200;

/// Why a request got no good answer.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The peer answered, but not with what was asked for.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Nothing came, and nothing else moved, for [`super::IDLE_TIMEOUT`].
    #[error("no answer in time")]
    Silent,
    /// There was no answer, or only half of one.
    #[error("{}", transport(.0))]
    Transport(#[source] reqwest::Error),
    /// A document is larger than any honest one.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// A registry that is spoken to with TLS names an address without it.
    #[error("the answer leads to {to}, where nothing is encrypted")]
    Insecure {
        /// The address without its path and query, which may carry a signature.
        to: String,
    },
    /// The body that was to be sent could not be read on this machine.
    #[error("failed to read what was to be sent")]
    Body(#[source] std::io::Error),
    /// The answer breaks the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl From<reqwest::Error> for RequestError {
    /// The URL is dropped: an upload's address may carry a signature.
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

/// An answer with an error status.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The codes of the distribution specification's error document, if the body is one: `DENIED`, `TOOMANYREQUESTS`.
    pub codes: Vec<String>,
    /// What the peer said, shortened to one line.
    pub message: String,
}

#[derive(Deserialize)]
struct ErrorDocument {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Keeps an answer's status and headers and what can be read of its body, which may be anything or break off. It may
    /// repeat what it was sent, so secrets are taken out.
    pub(crate) async fn of(response: Response, redactor: &Redactor) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        // A refusal that is too long, too slow or breaks off is one all the same.
        let _ = read_into(&mut body, response, BODY_MAX).await;
        redactor.refusal(status, headers, &body)
    }

    /// A refusal from its parts.
    pub fn new(status: u16, headers: HeaderMap, body: &Bytes) -> Self {
        let document = serde_json::from_slice::<ErrorDocument>(body).ok();
        let (codes, message) = match document {
            Some(ErrorDocument { errors }) if !errors.is_empty() => (
                errors.iter().map(|e| e.code.clone()).collect(),
                errors.iter().map(ErrorEntry::line).collect::<Vec<_>>().join("; "),
            ),
            _ => (Vec::new(), one_line(&String::from_utf8_lossy(body))),
        };
        Self { status, headers, codes, message }
    }

    /// Whether it was refused because the token allows too little (RFC 6750, section 3.1).
    pub fn lacks_scope(&self) -> bool {
        let challenge = self.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        challenge.is_some_and(|challenge| challenge.contains("insufficient_scope"))
    }

    /// Whether the error document carries this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code)
    }
}

impl ErrorEntry {
    fn line(&self) -> String {
        one_line(&[self.code.as_str(), self.message.as_str()].map(str::trim).join(" "))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        write!(f, "answered {}", self.status)?;
        reason.map_or(Ok(()), |reason| write!(f, " {reason}"))?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for Refusal {}

/// The text without line breaks and markup-sized tails.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn transport(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &'static str) -> Refusal {
        Refusal::new(status, HeaderMap::new(), &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn an_error_document_is_told_by_its_codes() {
        let refusal = refusal(403, r#"{"errors":[{"code":"DENIED","message":"requested access"},{"code":"X"}]}"#);
        assert!(refusal.has_code("DENIED") && refusal.has_code("X"));
        assert_eq!(refusal.to_string(), "answered 403 Forbidden: DENIED requested access; X");
    }

    #[rstest::rstest]
    #[case("<html>\n<body>Bad gateway</body>", "answered 502 Bad Gateway: <html> <body>Bad gateway</body>")]
    #[case("", "answered 502 Bad Gateway")]
    #[case(r#"{"errors":[]}"#, r#"answered 502 Bad Gateway: {"errors":[]}"#)]
    #[case(r#"{"errors":"x"}"#, r#"answered 502 Bad Gateway: {"errors":"x"}"#)]
    fn any_other_body_is_shown_in_one_line(#[case] body: &'static str, #[case] shown: &str) {
        assert_eq!(refusal(502, body).to_string(), shown);
    }
}
