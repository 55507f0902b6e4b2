//! Why nothing, or nothing more, is removed.

use thiserror::Error;

use super::Unknown;
use crate::{
    http::RequestError,
    oci::Digest,
    registry::{Cause, RegistryError},
};

/// Why a clean-up stops. Whatever it is: from then on nothing is removed.
#[derive(Debug, Error)]
pub enum CleanError {
    /// The decision lacks something.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// A manifest that has to be there is not, or says nothing that can be understood.
    #[error("manifest {digest} cannot be read from {registry}")]
    Unreadable {
        /// The manifest.
        digest: Digest,
        /// The registry's short name.
        registry: String,
    },
    /// The registry, or the interface beside it, failed.
    #[error(transparent)]
    Failed(Box<RegistryError>),
    /// We may not.
    #[error("{registry} does not allow it: {permission}")]
    Denied {
        /// The registry's short name.
        registry: String,
        /// The permission that is missing, and where it is given.
        permission: &'static str,
        /// What was refused.
        #[source]
        source: Option<Box<RegistryError>>,
    },
    /// What was to go stays, for a reason that is no failure elsewhere.
    #[error("{0}")]
    Stays(String),
    /// The interface beside the registry has no good address.
    #[error("{variable} is no address that a secret may be sent to: `{address}`, expected https or this machine")]
    Address {
        /// Where it stands.
        variable: &'static str,
        /// What stands there.
        address: String,
    },
}

impl CleanError {
    /// Whether the clean-up may not do what it should, as opposed to could not.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Takes a refusal for what it means here.
    pub(super) fn of(error: RegistryError, registry: &str, permission: &'static str) -> Self {
        if is_denial(&error.cause) {
            return Self::Denied { registry: registry.into(), permission, source: Some(Box::new(error)) };
        }
        error.into()
    }
}

impl From<RegistryError> for CleanError {
    fn from(error: RegistryError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Whether we were refused for who we are. What says "rate limit" was tried again and is something else.
fn is_denial(cause: &Cause) -> bool {
    let refused = cause.refusal().is_some_and(|refusal| {
        matches!(refusal.status, 401 | 403) && !refusal.message.to_ascii_lowercase().contains("rate limit")
    });
    refused || matches!(cause, Cause::Auth(error) if error.request().is_none())
}

/// An answer that breaks the protocol.
pub(super) fn protocol(what: impl Into<String>) -> Cause {
    RequestError::Protocol(what.into()).into()
}
