//! The errors of the client. After one, nothing can be said about the image.

use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use reqwest::{Response, StatusCode};

use super::http::header;

/// The network, the registry's health or this machine failed, not the image. A registry's "not found" or "denied" is no
/// error while an image is read: it is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The HTTP client cannot be made.
    #[error("failed to set up the HTTP client for {host}")]
    Client {
        /// The registry.
        host: String,
        /// The error of TLS or of the client.
        source: reqwest::Error,
    },
    /// A CA certificate that cannot be read.
    #[error("failed to read the CA certificate {}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No answer, or half an answer.
    #[error("failed to read {what} from {host}")]
    Unreachable {
        /// The registry or token service.
        host: String,
        /// The request.
        what: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// A status that says neither "here" nor "not there": too many requests, trouble of the server, or a refusal.
    #[error("{host} answers {status} when asked for {what}")]
    Status {
        /// The registry or token service.
        host: String,
        /// The request.
        what: String,
        /// The answer's status.
        status: u16,
        /// When the server may be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// An answer that the protocol does not allow.
    #[error("{host} gives no sensible answer when asked for {what}: {problem}")]
    Malformed {
        /// The registry or token service.
        host: String,
        /// The request.
        what: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A token service without TLS, to which the password would be sent in the clear.
    #[error("{host} wants the password sent to {realm}, which has no TLS")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// The token service.
        realm: String,
    },
    /// Credentials that cannot be read.
    #[error("failed to read the credentials for {host} from {source_name}: {problem}")]
    Credentials {
        /// The registry.
        host: String,
        /// The file or the environment.
        source_name: String,
        /// The problem, without anything that was read.
        problem: String,
    },
    /// A registry that did not answer a poller for too long.
    #[error("{host} did not answer for {silent_ms} ms while it was watched")]
    Silent {
        /// The registry.
        host: String,
        /// For how long.
        silent_ms: u64,
        /// The last error.
        source: Box<ClientError>,
    },
    /// Background work of this process failed.
    #[error("failed to read in the background")]
    Background(#[from] io::Error),
}

impl ClientError {
    /// For an answer with this status.
    pub(super) fn status(host: &str, what: &str, answer: &Response) -> Self {
        Self::Status {
            host: host.to_owned(),
            what: what.to_owned(),
            status: answer.status().as_u16(),
            retry_after: header(answer, "retry-after").and_then(|value| retry_after(&value, SystemTime::now())),
        }
    }

    /// How long the registry asked not to be asked again.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the registry refused, and will again.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => StatusCode::from_u16(*status).is_ok_and(|status| !is_temporary(status)),
            _ => false,
        }
    }

    /// What a user can do about it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Status { status: 401 | 403, .. } => Some(
                "registries answer the same for what is private and for what does not exist; for a private image, log in with \
                 `podman login` or set VERIFY_USER_<HOST> and VERIFY_PASSWORD_<HOST>",
            ),
            Self::Status { status: 429, .. } => {
                Some("the registry counts requests; those who log in may send more of them")
            }
            Self::InsecureRealm { .. } => Some("a password goes to https addresses and to this machine only"),
            _ => None,
        }
    }
}

/// Whether a status is temporary: the same request may succeed later.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value.trim()).ok().map(|at| at.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("7", Some(7))]
    #[case(" 0 ", Some(0))]
    #[case("Thu, 01 Jan 1970 00:01:00 GMT", Some(60))]
    #[case("soon", None)]
    #[case("880.092µs", None)]
    fn retry_after_is_seconds_or_a_date(#[case] value: &str, #[case] seconds: Option<u64>) {
        assert_eq!(retry_after(value, SystemTime::UNIX_EPOCH), seconds.map(Duration::from_secs));
    }
}
