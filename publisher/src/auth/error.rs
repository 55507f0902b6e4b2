//! Why no authorization could be had. Nothing in here repeats what a file, a helper or a challenge contains.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

use super::{ChallengeError, HelperError};
use crate::http::{Refusal, RequestError};

/// The host of Docker Hub's token server.
const DOCKER_HUB_TOKENS: &str = "auth.docker.io";
/// The host of GHCR's token server.
const GHCR_TOKENS: &str = "ghcr.io";

/// Why no credential was found, or why a registry cannot be given the authorization that it wants.
///
/// Cloning is cheap: when many requests wait for one token, each gets the error.
#[derive(Debug, Clone, Error)]
pub enum AuthError {
    /// Of a user name and a password that belong together only one is in the environment.
    #[error("{present} is set but {missing} is not")]
    HalfSet {
        /// The variable that is set.
        present: String,
        /// The variable that is not.
        missing: String,
    },
    /// `REGISTRY_AUTH_FILE` names a file that is not there.
    #[error("the auth file {} that REGISTRY_AUTH_FILE names does not exist", path.display())]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// An auth file is there but cannot be read.
    #[error("failed to read the auth file {}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// An auth file is not the JSON that docker and podman write.
    #[error("the auth file {} is broken at line {line}, column {column}", path.display())]
    FileBroken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An entry of an auth file is no `base64(user:password)`.
    #[error("the entry `{key}` of the auth file {} cannot be decoded", path.display())]
    EntryBroken {
        /// The file.
        path: PathBuf,
        /// The entry's key.
        key: String,
    },
    /// An auth file for another program cannot be written.
    #[error("failed to write a temporary auth file")]
    FileNotWritten {
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A credential helper that an auth file names did not do its part.
    #[error("failed to get a credential from {helper}, which {} names", file.display())]
    Helper {
        /// The program: `docker-credential-pass`.
        helper: String,
        /// The auth file.
        file: PathBuf,
        /// What went wrong.
        #[source]
        source: HelperError,
    },
    /// A registry wants authorization in a way that cannot be met.
    #[error("the registry wants a login, but {0}")]
    Challenge(#[from] ChallengeError),
    /// A token server without TLS, on another machine, for a registry that is spoken to with TLS.
    #[error("the registry wants the credential to be sent to {server} without TLS")]
    InsecureRealm {
        /// The token server's host.
        server: String,
    },
    /// The token server does not accept who we are. Final: it is not asked again for this scope.
    #[error("{server} does not accept {}", if *anonymous { "anonymous requests" } else { "the credential" })]
    Denied {
        /// The token server's host.
        server: String,
        /// Whether no credential was sent.
        anonymous: bool,
        /// What it answered.
        #[source]
        source: Arc<Refusal>,
    },
    /// The token server gave no token; another attempt may help.
    #[error("failed to get a token from {server}")]
    Token {
        /// The token server's host.
        server: String,
        /// What happened.
        #[source]
        source: Arc<RequestError>,
    },
}

impl AuthError {
    /// The failed request behind the error, for judging whether another attempt can help; [`None`] is final.
    pub fn request(&self) -> Option<&RequestError> {
        match self {
            Self::Token { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HalfSet { missing, .. } => {
                format!("set {missing} too; a GitHub secret that does not exist arrives as an empty variable")
            }
            Self::FileMissing { .. } => "log in with `podman login`, or unset REGISTRY_AUTH_FILE".into(),
            Self::FileUnreadable { .. } => "the file must be readable by the user who runs this".into(),
            Self::FileBroken { .. } | Self::EntryBroken { .. } => {
                "log in again with `podman login`, or repair the file by hand".into()
            }
            Self::Helper { helper, .. } => {
                format!("install {helper} and try it by hand with `{helper} list`, or log in with `podman login`")
            }
            Self::InsecureRealm { .. } => "a registry that itself has no TLS needs `plain-http = true`".into(),
            Self::Denied { anonymous: true, .. } => {
                "no credential was found; `publisher doctor` shows where it was looked for".into()
            }
            Self::Denied { server, .. } => denied_hint(server).into(),
            Self::FileNotWritten { .. } | Self::Challenge(_) | Self::Token { .. } => return None,
        })
    }
}

fn denied_hint(server: &str) -> &'static str {
    match server {
        DOCKER_HUB_TOKENS => {
            "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME, with Read, Write & Delete, not expired"
        }
        GHCR_TOKENS => {
            "the workflow needs `permissions: packages: write`; elsewhere a classic token with `write:packages` is needed"
        }
        _ => "check the user name and the password; `publisher doctor` shows where they were found",
    }
}
