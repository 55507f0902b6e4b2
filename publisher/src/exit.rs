//! How a run ends: the documented exit codes, and the one error type that reaches the user.

use std::{error::Error as _, iter};

use thiserror::Error;

use crate::oci::Digest;

/// The exit codes. The numbers are an interface: scripts and workflows read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All other failures: a bad configuration, podman missing, an incomplete hand-over.
    Failed = 1,
    /// The tag or version is not acceptable.
    InvalidTag = 2,
    /// The image of at least one platform could not be built.
    BuildFailed = 3,
    /// A registry refused a request, or failed after all attempts.
    PushFailed = 4,
    /// The run was cancelled, or a newer build is already published.
    Superseded = 5,
}

/// The state after a run that ends before the first tag moves.
pub const NOTHING_PUBLISHED: &str = "nothing was published, all tags are as before";

/// Why a run failed: exit code, message with causes, advice, and the state that the registries were left in.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What could not be done: a fragment in lower case without a full stop.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// What the registries hold now because of this run, "nothing was published".
    pub left: Option<String>,
    /// What the tag pointed at before this run moved it, by the registry's short name, where others have moved it on.
    pub replaced: Vec<(String, Digest)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure with a message of its own.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, left: None, replaced: Vec::new(), source: None }
    }

    /// A failure that has no exit code of its own.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what the user can do; the first hint given, which knows the most, stays.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds what state the run leaves behind.
    #[must_use]
    pub fn left(mut self, left: impl Into<String>) -> Self {
        self.left.get_or_insert_with(|| left.into());
        self
    }

    /// The message and its causes, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let causes = iter::successors(self.source(), |&error| error.source()).map(ToString::to_string);
        iter::once(self.message.clone()).chain(causes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_the_documented_numbers() {
        let codes = [Exit::Failed, Exit::InvalidTag, Exit::BuildFailed, Exit::PushFailed, Exit::Superseded];
        assert_eq!(codes.map(|code| code as u8), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_chain_lists_every_cause_once() {
        let inner = Failure::new(Exit::Failed, "inner").because(std::io::Error::other("root"));
        assert_eq!(Failure::new(Exit::PushFailed, "outer").because(inner).chain(), ["outer", "inner", "root"]);
    }
}
