//! Why podman failed, and what the user can do about it.

use std::{fmt::Display, io, path::PathBuf};

use semver::Version;
use thiserror::Error;

use super::MIN_VERSION;
use crate::{
    exit::{Exit, Failure},
    oci::Platform,
};

/// Where a runtime comes from that fits podman; podman 5.6 and newer need crun 1.16.
pub const RUNTIME_TOO_OLD_HINT: &str =
    "install podman and crun from the same suite of the distribution; podman 5.6 and newer need crun 1.16 or newer";

/// Why podman failed. Commands are named by a few words, never by their arguments, which carry build arguments.
#[expect(missing_docs, reason = "the messages say what the fields are")]
#[derive(Debug, Error)]
pub enum PodmanError {
    /// The program is not there or cannot be run.
    #[error("`{}` cannot be run", program.display())]
    NotStarted { program: PathBuf, source: io::Error },
    /// This podman is older than [`MIN_VERSION`].
    #[error("podman {found} is too old, {MIN_VERSION} or newer is needed")]
    TooOld { found: Version },
    /// This podman cannot be used for another reason.
    #[error("{reason}")]
    Unfit { reason: String, hint: &'static str },
    /// A command failed, or printed something else than it documents.
    #[error("`podman {command}` failed: {reason}")]
    Failed { command: &'static str, reason: String },
    /// `podman build` failed. The reason is what it printed last, or how it ended; with what that means, where it is known.
    #[error("`podman build` for {platform} failed: {reason}")]
    Build { platform: Platform, reason: String, hint: Option<&'static str> },
    /// `podman build` ended because a step could not be pushed to the layer cache.
    #[error("`podman build` for {platform} could not write to the layer cache: {reason}")]
    CacheNotWritten { platform: Platform, reason: String },
    /// The Containerfile or the context cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The image's layers or configuration could not be read from podman, or not be stored.
    #[error("failed to read the image's layers from podman")]
    Save(#[source] io::Error),
    /// A temporary file or pipe failed.
    #[error("failed to use a temporary file")]
    Temporary(#[source] io::Error),
}

impl PodmanError {
    /// A command printed something else than it documents.
    pub(super) fn answer(command: &'static str, reason: impl Display) -> Self {
        Self::Failed { command, reason: format!("its answer is not understood: {reason}") }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotStarted { .. } => {
                Some("install podman (`apt-get install podman`); `publisher doctor` says what else is missing")
            }
            Self::TooOld { .. } => Some("`publisher doctor` says how to get a newer podman"),
            Self::Failed { .. } => Some("`publisher doctor` looks for what is missing on this machine"),
            Self::Unfit { hint, .. } => Some(hint),
            Self::Build { hint, .. } => *hint,
            Self::Save(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Some("make room, or set TMPDIR to a folder on a larger disk")
            }
            _ => None,
        }
    }
}

impl From<PodmanError> for Failure {
    /// An image that could not be built has an exit code of its own; other failures of podman have not.
    fn from(error: PodmanError) -> Self {
        let mut failure = match &error {
            PodmanError::Build { platform, .. } | PodmanError::CacheNotWritten { platform, .. } => {
                Self::new(Exit::BuildFailed, format!("failed to build the image for {platform}"))
            }
            PodmanError::Unreadable { .. } => Self::other("there is nothing to build"),
            PodmanError::Unfit { .. } | PodmanError::TooOld { .. } => Self::other("this podman cannot be used"),
            _ => Self::other("podman failed"),
        };
        failure.hint = error.hint().map(Into::into);
        failure.because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_failed_names_the_platform_and_has_its_exit_code() {
        let failure = Failure::from(PodmanError::Build {
            platform: "linux/arm64".parse().unwrap(),
            reason: "building at STEP \"RUN false\": exit status 7".into(),
            hint: None,
        });
        assert_eq!((failure.exit, failure.hint.as_deref()), (Exit::BuildFailed, None));
        assert_eq!(
            failure.chain(),
            [
                "failed to build the image for linux/arm64",
                "`podman build` for linux/arm64 failed: building at STEP \"RUN false\": exit status 7"
            ]
        );
    }

    #[rstest::rstest]
    #[case(
        PodmanError::NotStarted { program: "podman".into(), source: io::ErrorKind::NotFound.into() },
        "`podman` cannot be run"
    )]
    #[case(PodmanError::TooOld { found: Version::new(3, 4, 4) }, "podman 3.4.4 is too old, 4.3.0 or newer is needed")]
    #[case(
        PodmanError::Failed { command: "info", reason: "signal: 9 (SIGKILL)".into() },
        "`podman info` failed: signal: 9 (SIGKILL)"
    )]
    fn an_unfit_podman_is_no_failed_build_and_has_a_hint(#[case] error: PodmanError, #[case] cause: &str) {
        let failure = Failure::from(error);
        assert_eq!((failure.exit, failure.chain()[1].as_str()), (Exit::Failed, cause));
        assert!(failure.hint.is_some());
    }
}
