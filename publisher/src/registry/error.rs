//! Why something could not be done on a registry.

use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::{
    auth::AuthError,
    exit::{Exit, Failure},
    http::{Refusal, RequestError, retry_after},
    oci::Digest,
};

const LACKS_PERMISSION: &str = "the account lacks permission to push here: on GHCR the workflow needs `packages: write`, \
    on Docker Hub the token needs Read & Write";

/// An operation that failed for good, with the attempts that it took.
#[derive(Debug, Error)]
#[error("failed to {operation} on {registry} {}", in_words(*.attempts))]
pub struct RegistryError {
    /// The registry's short name and address: `ghcr (ghcr.io/acme/hello)`.
    pub registry: String,
    /// What was to be done, in words: `push manifest 0123456789ab`.
    pub operation: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    #[source]
    pub cause: Cause,
}

/// Why an attempt failed.
#[expect(missing_docs, reason = "the messages say what the fields are")]
#[derive(Debug, Error)]
pub enum Cause {
    /// The registry refused or could not be reached.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No authorization could be had.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// What arrived is not what was asked for.
    #[error("the registry holds {seen} where {expected} is expected")]
    DigestMismatch { expected: Digest, seen: String },
}

impl Cause {
    /// The request behind the failure.
    fn request(&self) -> Option<&RequestError> {
        match self {
            Self::Request(error) => Some(error),
            Self::Auth(error) => error.request(),
            Self::DigestMismatch { .. } => None,
        }
    }

    /// How long to wait before another attempt, which may succeed; [`None`] if it cannot.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.request()?, SystemTime::now())
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        self.retry_after().is_some()
    }

    /// The refusal behind the failure, if the registry answered at all.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Some(RequestError::Refused(refusal)) = self.request() { Some(refusal) } else { None }
    }

    fn hint(&self) -> Option<String> {
        if let Self::Auth(error) = self
            && let Some(hint) = error.hint()
        {
            return Some(hint);
        }
        let hint = match self.request()? {
            RequestError::Refused(refusal) => match refusal.status {
                401 if !refusal.lacks_scope() => {
                    "check the user name and the token of this registry; `publisher doctor` shows where they were found"
                }
                401 | 403 => LACKS_PERMISSION,
                404 => "the repository does not exist, or this account may not see it",
                413 => "the registry does not take a layer of this size",
                _ => return None,
            },
            RequestError::Insecure(_) => {
                "whatever ends TLS before the registry must tell it so (X-Forwarded-Proto); a registry without TLS needs `plain-http = true`"
            }
            RequestError::Transport(error) if error.is_connect() => {
                "check the registry's address and the network; a registry without TLS needs `plain-http = true`"
            }
            _ => return None,
        };
        Some(hint.into())
    }
}

/// Fails if the digest of what a registry holds is another one than expected.
pub(super) fn check_digest(expected: &Digest, seen: &str) -> Result<(), Cause> {
    if seen == expected.as_ref() {
        return Ok(());
    }
    // Text that is no digest is not quoted.
    let seen = seen.parse().map_or_else(|_| "something else".into(), |seen: Digest| seen.to_string());
    Err(Cause::DigestMismatch { expected: expected.clone(), seen })
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let mut failure = Self::new(Exit::PushFailed, error.to_string());
        failure.hint = error.cause.hint();
        failure.because(error.cause)
    }
}

fn in_words(count: u32) -> String {
    if count == 1 { "at the first attempt".into() } else { format!("after {count} attempts") }
}
