//! Why podman failed, and what the user can do about it.

use std::{fmt::Display, io, path::PathBuf};

use semver::Version;
use thiserror::Error;

use super::{HERE_DOCUMENTS_VERSION, MIN_VERSION};
use crate::{
    exit::{Exit, Failure},
    oci::Platform,
};

/// Where a runtime comes from that fits podman; podman 5.6 and newer need crun 1.16.
pub const RUNTIME_TOO_OLD_HINT: &str =
    "install podman and crun from the same suite of the distribution; podman 5.6 and newer need crun 1.16 or newer";

/// Why podman failed. Commands are named by a few words, never by their arguments, which carry build arguments.
#[derive(Debug, Error)]
pub enum PodmanError {
    /// There is no such program.
    #[error("there is no `{}` to run", program.display())]
    NotFound {
        /// The program.
        program: PathBuf,
    },
    /// The program is there but cannot be run.
    #[error("`{}` cannot be run", program.display())]
    Unusable {
        /// The program.
        program: PathBuf,
        /// Why it did not start.
        source: io::Error,
    },
    /// This podman lacks what is needed.
    #[error("podman {found} is too old, {MIN_VERSION} or newer is needed")]
    TooOld {
        /// The version that is there.
        found: Version,
    },
    /// The Containerfile uses what this podman lacks.
    #[error(
        "`{}`, line {line}: a here-document needs podman {HERE_DOCUMENTS_VERSION} or newer, this is podman {found}",
        path.display()
    )]
    HereDocument {
        /// The Containerfile.
        path: PathBuf,
        /// The line where it begins.
        line: usize,
        /// The version that is there.
        found: Version,
    },
    /// podman runs as root.
    #[error("podman runs as root here")]
    Rootful,
    /// A command failed.
    #[error("`{command}` failed: {reason}")]
    Failed {
        /// The command in short words.
        command: &'static str,
        /// What it printed last, or how it ended.
        reason: String,
    },
    /// `podman build` failed.
    #[error("`podman build` for {platform} failed: {reason}")]
    Build {
        /// The platform whose image was to be built.
        platform: Platform,
        /// What it printed last, or how it ended; with what that means, where it is known.
        reason: String,
        /// What the user can do about it.
        hint: Option<&'static str>,
    },
    /// `podman build` ended because a step could not be pushed to the layer cache.
    #[error("`podman build` for {platform} could not write to the layer cache: {reason}")]
    CacheNotWritten {
        /// The platform whose image was to be built.
        platform: Platform,
        /// What podman printed.
        reason: String,
    },
    /// The Containerfile or the context cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// podman printed something else than it documents.
    #[error("the answer of `{command}` is not understood: {reason}")]
    Answer {
        /// The command in short words.
        command: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The image's layers or configuration could not be read from podman, or not be stored.
    #[error("failed to read the image's layers from podman")]
    Save(#[source] io::Error),
    /// A temporary file or pipe failed.
    #[error("failed to use a temporary file")]
    Temporary(#[source] io::Error),
}

impl PodmanError {
    pub(super) fn answer(command: &'static str, reason: impl Display) -> Self {
        Self::Answer { command, reason: reason.to_string() }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } | Self::Unusable { .. } => {
                Some("install podman (`apt-get install podman`); `publisher doctor` says what else is missing")
            }
            Self::TooOld { .. } => Some("`publisher doctor` says how to get a newer podman"),
            Self::HereDocument { .. } => {
                Some("write it with `\\` at the ends of the lines, or copy a file, or build with a newer podman")
            }
            Self::Rootful => Some("run this as an ordinary user"),
            Self::Failed { .. } => Some("`publisher doctor` looks for what is missing on this machine"),
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
            PodmanError::Unreadable { .. } => Self::new(Exit::Failed, "there is nothing to build"),
            PodmanError::HereDocument { .. } => Self::new(Exit::Failed, "this podman cannot build the Containerfile"),
            _ => Self::new(Exit::Failed, "podman failed"),
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
    #[case(PodmanError::NotFound { program: "podman".into() }, "there is no `podman` to run")]
    #[case(PodmanError::TooOld { found: Version::new(3, 4, 4) }, "podman 3.4.4 is too old, 4.3.0 or newer is needed")]
    #[case(
        PodmanError::HereDocument { path: "Containerfile".into(), line: 7, found: Version::new(4, 9, 3) },
        "`Containerfile`, line 7: a here-document needs podman 5.0.0 or newer, this is podman 4.9.3"
    )]
    #[case(PodmanError::Rootful, "podman runs as root here")]
    #[case(
        PodmanError::Failed { command: "podman info", reason: "signal: 9 (SIGKILL)".into() },
        "`podman info` failed: signal: 9 (SIGKILL)"
    )]
    fn an_unfit_podman_is_no_failed_build_and_has_a_hint(#[case] error: PodmanError, #[case] cause: &str) {
        let failure = Failure::from(error);
        assert_eq!((failure.exit, failure.chain()[1].as_str()), (Exit::Failed, cause));
        assert!(failure.hint.is_some());
    }
}
