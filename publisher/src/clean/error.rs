//! Why a clean-up stops.

use thiserror::Error;

use super::Unknown;
use crate::{
    oci::Digest,
    registry::{Cause, RegistryError},
};

/// Why a clean-up stops. Nothing is removed after any of these.
#[derive(Debug, Error)]
pub enum CleanError {
    /// The decision lacks a manifest.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// A manifest that a tag or a record names is missing or cannot be parsed.
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
    /// The account lacks a permission.
    #[error("{registry} does not allow it: {permission}")]
    Denied {
        /// The registry's short name.
        registry: String,
        /// The permission that is missing, and where it is granted.
        permission: &'static str,
        /// What was refused.
        #[source]
        source: Option<Box<RegistryError>>,
    },
    /// The registry keeps the manifest, for this reason.
    #[error("{0}")]
    Kept(String),
    /// The interface beside the registry has an address that no secret may be sent to.
    #[error("{variable} is no address that a secret may be sent to: `{address}`, expected https or this machine")]
    Address {
        /// The variable that holds it.
        variable: &'static str,
        /// The address.
        address: String,
    },
}

impl CleanError {
    /// Whether a permission is missing.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Turns a refusal of our credentials into [`Self::Denied`].
    pub(super) fn with_permission(self, registry: &str, permission: &'static str) -> Self {
        match self {
            Self::Failed(error) if is_denial(&error.cause) => {
                Self::Denied { registry: registry.into(), permission, source: Some(error) }
            }
            error => error,
        }
    }
}

impl From<RegistryError> for CleanError {
    fn from(error: RegistryError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Whether the credentials were refused. A 403 that says "rate limit" is something else.
fn is_denial(cause: &Cause) -> bool {
    match cause.refusal() {
        Some(refusal) => {
            matches!(refusal.status, 401 | 403) && !refusal.message.to_ascii_lowercase().contains("rate limit")
        }
        None => matches!(cause, Cause::Auth(error) if error.request().is_none()),
    }
}
