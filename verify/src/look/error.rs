//! Where looking itself failed. Nothing can be said then about what was to be looked at.

use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use reqwest::Response;

use super::looker::header;

/// The network, the registry's health or this machine was the trouble, not what is published. A registry that answers
/// "not there" or "not for you" is no trouble: its answer is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// The client cannot be made.
    #[error("failed to set up the HTTP client for {host}")]
    Client {
        /// The registry.
        host: String,
        /// What TLS or the client says.
        #[source]
        source: reqwest::Error,
    },
    /// A certificate of a CA that cannot be read.
    #[error("failed to read the CA certificate {}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer, or half an answer.
    #[error("failed to read {what} from {host}")]
    Unreachable {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// What the transport says.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that says "not now": too many requests, or trouble of the server's own.
    #[error("{host} answers {status} when asked for {what}")]
    Unavailable {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// The answer's status.
        status: u16,
        /// When it may be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// An answer that has no meaning in the protocol.
    #[error("{host} gives no sensible answer when asked for {what}: {problem}")]
    Senseless {
        /// The registry or token service.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A question that a registry does not answer to us, where only "is there" and "is not there" are of use.
    #[error("{host} answers {status} when asked for {what}")]
    Denied {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
        /// The answer's status.
        status: u16,
    },
    /// A token service that would see a password that anybody on the way could read.
    #[error("{host} wants the password sent to {realm}, which has no TLS")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// The token service.
        realm: String,
    },
    /// Credentials that are kept where they cannot be read.
    #[error("failed to read the credentials for {host} from {whence}: {problem}")]
    Credentials {
        /// The registry.
        host: String,
        /// The file or helper.
        whence: String,
        /// What is wrong there. Never what was read.
        problem: String,
    },
    /// A poller that got no answers for too long: what happened meanwhile, nobody saw.
    #[error("{host} did not answer for {blind_ms} ms while it was watched")]
    Blind {
        /// The registry.
        host: String,
        /// For how long.
        blind_ms: u64,
        /// The last reason.
        #[source]
        source: Box<LookError>,
    },
    /// Layers are unpacked into temporary files, which could not be written or read.
    #[error("failed to keep a layer in a temporary file")]
    Storage(#[from] io::Error),
}

impl LookError {
    /// Of an answer that says "not now".
    pub(super) fn unavailable(host: &str, what: &str, answer: &Response) -> Self {
        Self::Unavailable {
            host: host.to_owned(),
            what: what.to_owned(),
            status: answer.status().as_u16(),
            retry_after: header(answer, "retry-after").and_then(|value| retry_after(&value, SystemTime::now())),
        }
    }

    /// How long the registry asked to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a user can do about it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { status: 401 | 403, .. } => Some(
                "registries answer the same for what is private and for what does not exist; for a private image, log in with \
                 `podman login` or set VERIFY_USER_<HOST> and VERIFY_PASSWORD_<HOST>",
            ),
            Self::Unavailable { status: 429, .. } => {
                Some("the registry counts requests; those who log in may send more of them")
            }
            Self::InsecureRealm { .. } => Some("a password goes to https addresses and to this machine only"),
            _ => None,
        }
    }
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
    fn a_registry_says_when_it_may_be_asked_again(#[case] value: &str, #[case] seconds: Option<u64>) {
        assert_eq!(retry_after(value, SystemTime::UNIX_EPOCH), seconds.map(Duration::from_secs));
    }
}
