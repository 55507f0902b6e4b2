//! What podman can fail at, and what the user is told.

use std::{io, path::PathBuf, process::ExitStatus};

use semver::Version;
use thiserror::Error;

use super::{HERE_DOCUMENTS_VERSION, MIN_VERSION, Tail};
use crate::{
    exit::{Exit, Failure},
    oci::Platform,
};

/// Why podman did not do what was asked. Commands are named by a few words, never by their arguments, which carry build
/// arguments.
#[derive(Debug, Error)]
pub enum PodmanError {
    /// There is no such program.
    #[error("there is no `{}` to run", program.display())]
    NotFound {
        /// What was to be run.
        program: PathBuf,
    },
    /// The program is there but cannot be run.
    #[error("`{}` cannot be run", program.display())]
    Unusable {
        /// What was to be run.
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
    #[error("`{command}` failed: {}", cause(tail, *status))]
    Failed {
        /// The command in short words.
        command: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        tail: Tail,
    },
    /// `podman build` failed.
    #[error("`podman build` for {platform} failed: {}", cause(tail, *status))]
    BuildFailed {
        /// The platform whose image was to be built.
        platform: Platform,
        /// How podman ended: with the status of the `RUN` step that failed, where one did.
        status: ExitStatus,
        /// The last lines of the build.
        tail: Tail,
    },
    /// `podman build` ended because a step could not be put in the layer cache.
    #[error("`podman build` for {platform} could not write to the layer cache: {reason}")]
    CacheNotWritten {
        /// The platform whose image was to be built.
        platform: Platform,
        /// What podman said.
        reason: String,
    },
    /// The build ran a program that this machine cannot run.
    #[error("a program of {platform} cannot run on this machine")]
    EmulationMissing {
        /// The platform whose image was to be built.
        platform: Platform,
        /// The last lines of the build.
        tail: Tail,
    },
    /// What runs containers does not know what podman says to it.
    #[error("the container runtime is too old for this podman: {}", cause(tail, *status))]
    RuntimeTooOld {
        /// The platform whose image was to be built.
        platform: Platform,
        /// How podman ended.
        status: ExitStatus,
        /// The last lines of the build.
        tail: Tail,
    },
    /// The disk filled up.
    #[error("no space was left during `{command}`")]
    NoSpace {
        /// The command in short words.
        command: &'static str,
        /// The platform, where an image was being built.
        platform: Option<Platform>,
        /// Its last lines.
        tail: Tail,
    },
    /// The Containerfile or the context cannot be read.
    #[error("`{}` cannot be read", path.display())]
    ContainerfileUnreadable {
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
    /// The archive that podman wrote is incomplete or not an image.
    #[error("the archive that `podman save` wrote is broken")]
    Archive(#[source] io::Error),
    /// Whoever took the layers failed; the error is theirs.
    #[error("a layer could not be taken from podman")]
    Layer(#[source] io::Error),
    /// A file for podman's answer cannot be written or read.
    #[error("failed to keep a temporary file")]
    Temporary(#[source] io::Error),
}

impl PodmanError {
    /// The last lines that podman printed, where it printed any.
    pub fn tail(&self) -> Option<&Tail> {
        match self {
            Self::Failed { tail, .. }
            | Self::BuildFailed { tail, .. }
            | Self::EmulationMissing { tail, .. }
            | Self::RuntimeTooOld { tail, .. }
            | Self::NoSpace { tail, .. } => Some(tail),
            _ => None,
        }
    }

    /// The platform whose image could not be built.
    fn platform(&self) -> Option<&Platform> {
        match self {
            Self::BuildFailed { platform, .. }
            | Self::CacheNotWritten { platform, .. }
            | Self::EmulationMissing { platform, .. }
            | Self::RuntimeTooOld { platform, .. } => Some(platform),
            Self::NoSpace { platform, .. } => platform.as_ref(),
            _ => None,
        }
    }

    /// What could not be done, where no platform says it.
    fn part(&self) -> &'static str {
        match self {
            Self::ContainerfileUnreadable { .. } => "there is nothing to build",
            Self::HereDocument { .. } => "this podman cannot build the Containerfile",
            _ => "podman cannot do its part",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound { .. } | Self::Unusable { .. } => {
                "install podman (`apt-get install podman`); `publisher doctor` says what else is missing"
            }
            Self::TooOld { .. } => "`publisher doctor` says how to get a newer podman",
            Self::HereDocument { .. } => {
                "write it with `\\` at the ends of the lines, or copy a file, or build with a newer podman"
            }
            Self::RuntimeTooOld { .. } => RUNTIME_TOO_OLD_HINT,
            Self::Rootful => "run this as an ordinary user",
            Self::Failed { .. } => "`publisher doctor` looks for what is missing on this machine",
            Self::EmulationMissing { .. } => {
                "build on a machine of that architecture, or install an emulator (`apt-get install qemu-user-static`)"
            }
            Self::NoSpace { .. } => {
                "`podman system prune` frees what no image needs; `TMPDIR` may be on a full disk too"
            }
            _ => return None,
        })
    }
}

/// Where a runtime comes from that fits podman; podman 5.6 and newer need crun 1.16.
pub const RUNTIME_TOO_OLD_HINT: &str =
    "install podman and crun from the same suite of the distribution; podman 5.6 and newer need crun 1.16 or newer";

/// What podman said, else how it ended.
fn cause(tail: &Tail, status: ExitStatus) -> String {
    tail.cause().map_or_else(|| status.to_string(), str::to_owned)
}

impl From<PodmanError> for Failure {
    /// An image that could not be built has an exit code of its own; whatever else is wrong with podman has not.
    fn from(error: PodmanError) -> Self {
        let failure = error.platform().map_or_else(
            || Self::new(Exit::Failed, error.part()),
            |platform| Self::new(Exit::BuildFailed, format!("failed to build the image for {platform}")),
        );
        let failure = match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        };
        failure.because(error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn tail(lines: &[&str]) -> Tail {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_build_that_failed_names_the_platform_and_has_its_exit_code() {
        let failure = Failure::from(PodmanError::BuildFailed {
            platform: "linux/arm64".parse().unwrap(),
            status: ExitStatus::from_raw(7 << 8),
            tail: tail(&["boo", "Error: building at STEP \"RUN false\": exit status 7"]),
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
        PodmanError::Failed { command: "podman info", status: ExitStatus::from_raw(9), tail: tail(&[]) },
        "`podman info` failed: signal: 9 (SIGKILL)"
    )]
    fn a_podman_that_is_unfit_is_no_failed_build_and_can_be_mended(#[case] error: PodmanError, #[case] cause: &str) {
        let failure = Failure::from(error);
        assert_eq!((failure.exit, failure.chain()[1].as_str()), (Exit::Failed, cause));
        assert!(failure.hint.is_some());
    }
}
