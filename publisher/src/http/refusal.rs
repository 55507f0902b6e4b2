//! A request that did not succeed, kept so that it can be judged and shown.

use bytes::BytesMut;
use reqwest::{
    Response,
    header::{HeaderMap, WWW_AUTHENTICATE},
};
use serde_json::Value;
use thiserror::Error;

use super::client::read_into;

/// How much of an error's body is read, in bytes. A registry's error document is short; an HTML page is not wanted.
const BODY_MAX: usize = 16 * 1024;
/// How much of a body that is no error document is shown, in characters.
const SHOWN_MAX: usize = 200;
/// What stands where a secret stood.
const MASK: &str = "***";

/// Why a request got no good answer.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The peer answered, but not with what was asked for.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Nothing came, and nothing else moved, for [`super::IDLE_TIMEOUT`].
    #[error("no answer in time")]
    Silent,
    /// There was no answer, or only half of one.
    #[error("{}", transport(.0))]
    Transport(#[source] reqwest::Error),
    /// The answer is larger than this limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// A registry that is spoken to with TLS names an address without it. Given without its path and query, which may carry
    /// a signature.
    #[error("the answer leads to {0}, where nothing is encrypted")]
    Insecure(String),
    /// The body that was to be sent could not be read on this machine.
    #[error("failed to read what was to be sent")]
    Body(#[source] std::io::Error),
    /// The answer breaks the protocol.
    #[error("{0}")]
    Protocol(String),
}

impl From<reqwest::Error> for RequestError {
    /// Without the address, which may carry a signature.
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

impl RequestError {
    /// Keeps an answer's status and headers and what can be read of its body, which may be anything or break off. It may
    /// repeat what it was sent, so secrets are taken out.
    pub(crate) async fn refused(response: Response, secrets: &[String]) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        // A refusal that is too long, too slow or breaks off is one all the same.
        let _ = read_into(&mut body, response, BODY_MAX).await;
        Self::Refused(Box::new(Refusal::new(status, headers, &body, secrets)))
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

impl Refusal {
    /// A refusal without these secrets. The body is cleaned first, because shortening it might leave half a secret that
    /// nothing recognises, and once more after JSON's escapes are resolved.
    pub(super) fn new(status: u16, mut headers: HeaderMap, body: &[u8], secrets: &[String]) -> Self {
        let redact = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
        for value in headers.values_mut() {
            if redact(&String::from_utf8_lossy(value.as_bytes())).contains(MASK) {
                value.set_sensitive(true);
            }
        }
        let body = redact(&String::from_utf8_lossy(body));
        let document: Value = serde_json::from_str(&body).unwrap_or_default();
        let errors = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let field = |error: &Value, name: &str| redact(error[name].as_str().unwrap_or_default());
        let codes = errors.iter().map(|error| field(error, "code")).collect();
        let line = |error| one_line(&[field(error, "code"), field(error, "message")].join(" "));
        let message =
            if errors.is_empty() { one_line(&body) } else { errors.iter().map(line).collect::<Vec<_>>().join("; ") };
        Self { status, headers, codes, message }
    }

    /// Whether it was refused because the token allows too little (RFC 6750, section 3.1).
    pub fn lacks_scope(&self) -> bool {
        let challenge = self.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        challenge.is_some_and(|challenge| challenge.contains("insufficient_scope"))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        write!(f, "answered {}", self.status)?;
        reason.map_or(Ok(()), |reason| write!(f, " {reason}"))?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

/// The text without line breaks and markup-sized tails.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
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

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::new(status, HeaderMap::new(), body.as_bytes(), &[])
    }

    #[test]
    fn an_error_document_is_told_by_its_codes() {
        let refusal = refusal(403, r#"{"errors":[{"code":"DENIED","message":"requested access"},{"code":"X"}]}"#);
        assert_eq!(refusal.codes, ["DENIED", "X"]);
        assert_eq!(refusal.to_string(), "answered 403 Forbidden: DENIED requested access; X");
    }

    #[rstest::rstest]
    #[case("<html>\n<body>Bad gateway</body>", "answered 502 Bad Gateway: <html> <body>Bad gateway</body>")]
    #[case("", "answered 502 Bad Gateway")]
    #[case(r#"{"errors":[]}"#, r#"answered 502 Bad Gateway: {"errors":[]}"#)]
    #[case(r#"{"errors":"x"}"#, r#"answered 502 Bad Gateway: {"errors":"x"}"#)]
    fn any_other_body_is_shown_in_one_line(#[case] body: &str, #[case] shown: &str) {
        assert_eq!(refusal(502, body).to_string(), shown);
    }

    const SECRET: &str = "can\"ary";

    fn shown(body: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", SECRET.parse().unwrap());
        headers.insert("retry-after", "7".parse().unwrap());
        let refusal = Refusal::new(401, headers, body.as_bytes(), &[SECRET.into()]);
        format!("{refusal:?}")
    }

    #[rstest::rstest]
    #[case("you sent can\"ary, which is wrong")]
    #[case(r#"{"errors":[{"code":"can\"ary","message":"no can\"ary"}]}"#)]
    fn a_server_that_repeats_the_secret_is_not_quoted(#[case] body: &str) {
        let shown = shown(body);
        assert!(!shown.contains("can") && shown.contains(MASK), "{shown}");
    }

    #[test]
    fn a_secret_is_gone_even_where_the_text_is_cut() {
        let body = format!("{}{SECRET}", "x".repeat(196));
        assert!(!shown(&body).contains("can"));
    }

    #[test]
    fn the_rest_stays() {
        let shown = shown("try later");
        assert!(shown.contains("try later") && shown.contains("\"7\""), "{shown}");
    }
}
