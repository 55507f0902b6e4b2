//! What can go wrong with the harness itself. It is never the subject's fault, so such a trial proves nothing.

use std::{error::Error, io, path::Path};

type Cause = Box<dyn Error + Send + Sync>;

/// A trouble of the harness: which part, why, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A program of this machine is needed and missing.
    #[error("the program {program} is missing")]
    ProgramMissing {
        /// Its name.
        program: String,
    },
    /// A registry ended, or said nothing for too long, before it listened.
    #[error("the registry did not start: {said}")]
    NotStarted {
        /// The end of its log.
        said: String,
    },
    /// Neither a container engine nor podman is there.
    #[error("no container engine was found")]
    NoEngine,
    /// A container engine did not do what it was asked for.
    #[error("the container engine cannot {what}")]
    Engine {
        /// What it was asked for: `start a registry`.
        what: String,
        /// What it said.
        source: Cause,
    },
    /// The operating system, or another part of the harness, failed.
    #[error("{what}")]
    Other {
        /// What was tried, as a fragment: `cannot read /x`.
        what: String,
        /// Why it failed.
        source: Cause,
    },
}

impl HarnessError {
    /// For `map_err`: what was tried with a path when the operating system refused.
    pub fn at(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("cannot {what} {}", path.display()))
    }

    /// For `map_err`: what was tried when the operating system refused.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        Self::other(what)
    }

    /// For `map_err`: what an engine was asked for when it refused.
    pub fn engine<E: Into<Cause>>(what: &str) -> impl FnOnce(E) -> Self {
        let what = what.to_owned();
        move |source| Self::Engine { what, source: source.into() }
    }

    /// For `map_err`: what was tried when another part of the harness failed.
    pub fn other<E: Into<Cause>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Other { what, source: source.into() }
    }

    /// What a user can do about it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ProgramMissing { .. } => Some("./setup.sh installs what is needed"),
            Self::NoEngine => Some(
                "run ./setup.sh for podman, or set DOCKER_HOST to the socket of an engine; as root, or without a login session: scripts/rootless COMMAND",
            ),
            Self::Engine { .. } => Some("is the engine at DOCKER_HOST running, and may this user talk to it?"),
            _ => None,
        }
    }

    /// The error and all its causes on one line.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Some errors repeat their cause in their own text.
            let said = error.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_once_each() {
        let inner = HarnessError::at("read", Path::new("/x"))(io::Error::other("no luck"));
        let outer = HarnessError::engine("start a registry")(inner);
        assert_eq!(outer.with_causes(), "the container engine cannot start a registry: cannot read /x: no luck");
        assert!(outer.hint().is_some());
    }
}
