//! Why there is no authorization. No error repeats what a file, a helper or a challenge contains.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

use crate::http::RequestError;

/// Why no credential was found, or why a registry does not get the authorization that it wants. `server` is the host of a
/// token server.
///
/// Cloning is cheap: when many requests wait for one token, each gets the error.
#[expect(missing_docs, reason = "the messages say what the fields are")]
#[derive(Debug, Clone, Error)]
pub enum AuthError {
    /// Only one of a user name and its password is in the environment.
    #[error("{present} is set but {missing} is not")]
    HalfSet { present: String, missing: String },
    /// An auth file cannot be read, or is not what docker and podman write ([`io::ErrorKind::InvalidData`]).
    #[error("failed to read the auth file {}", path.display())]
    File { path: PathBuf, source: Arc<io::Error> },
    /// An auth file for podman cannot be written.
    #[error("failed to write a temporary auth file")]
    FileNotWritten(#[source] Arc<io::Error>),
    /// A credential helper that an auth file names failed.
    #[error("failed to get a credential from {helper}, which {} names", file.display())]
    Helper { helper: String, file: PathBuf, source: Arc<io::Error> },
    /// A registry's challenge cannot be answered.
    #[error("the registry wants a login, but {0}")]
    Challenge(&'static str),
    /// A token server without TLS, on another machine, for a registry with TLS.
    #[error("the registry wants the credential to be sent to {server} without TLS")]
    InsecureRealm { server: String },
    /// The token server does not accept the credential. Final: it is not asked again for this scope.
    #[error("{server} does not accept {}", if *anonymous { "anonymous requests" } else { "the credential" })]
    Denied { server: String, anonymous: bool, source: Arc<RequestError> },
    /// The token server gave no token; another attempt may help.
    #[error("failed to get a token from {server}")]
    Token { server: String, source: Arc<RequestError> },
}

impl AuthError {
    /// An auth file that is not what docker and podman write.
    pub(super) fn invalid_file(path: impl Into<PathBuf>, reason: String) -> Self {
        let error = io::Error::new(io::ErrorKind::InvalidData, reason);
        Self::File { path: path.into(), source: Arc::new(error) }
    }

    /// The failed request behind the error, for judging whether another attempt can help; [`None`] is final.
    pub fn request(&self) -> Option<&RequestError> {
        if let Self::Token { source, .. } = self { Some(source) } else { None }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HalfSet { missing, .. } => {
                format!("set {missing} too; a GitHub secret that does not exist arrives as an empty variable")
            }
            Self::Helper { helper, .. } => {
                format!("install {helper} and try it by hand with `{helper} list`, or log in with `podman login`")
            }
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "log in with `podman login`, or unset REGISTRY_AUTH_FILE".into(),
                io::ErrorKind::InvalidData => "log in again with `podman login`, or repair the file by hand".into(),
                _ => "the file must be readable by the user who runs this".into(),
            },
            Self::InsecureRealm { .. } => "a registry that itself has no TLS needs `plain-http = true`".into(),
            Self::Denied { anonymous: true, .. } => {
                "no credential was found; `publisher doctor` shows where it was looked for".into()
            }
            Self::Denied { server, .. } => match server.as_str() {
                // The token servers of Docker Hub and GHCR.
                "auth.docker.io" => {
                    "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME, with Read, Write & Delete, not expired"
                }
                "ghcr.io" => {
                    "the workflow needs `permissions: packages: write`; elsewhere a classic token with `write:packages` is needed"
                }
                _ => "check the user name and the password; `publisher doctor` shows where they were found",
            }
            .into(),
            Self::FileNotWritten(_) | Self::Challenge(_) | Self::Token { .. } => return None,
        })
    }
}
