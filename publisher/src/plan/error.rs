//! Why nothing will be published, with the exit code that says so.

use std::io;

use thiserror::Error;

use crate::{
    exit::{Exit, Failure},
    oci::{PlatformError, TagError},
};

/// Why nothing will be published.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A pushed git tag that releases nothing.
    #[error("tag `{0}` is not a release version, expected v<major>.<minor>.<patch> such as v1.2.0")]
    NotARelease(String),
    /// A manual build's tag breaks the grammar of tags.
    #[error("the input `tag_name` is not acceptable: {0}")]
    BadTagName(TagError),
    /// A manual build's tag belongs to the builds of the main branch or to a release.
    #[error("the input `tag_name` is `{0}`, which a manual build may not use")]
    ReservedTagName(String),
    /// A push to a branch that is not published.
    #[error("branch `{branch}` is not published, only `{main}` is")]
    OtherBranch {
        /// The branch that was pushed.
        branch: String,
        /// The one that is published.
        main: String,
    },
    /// A push of something that is neither branch nor tag.
    #[error("`{0}` is neither a branch nor a tag")]
    BadReference(String),
    /// A push without a ref.
    #[error("a push without a ref: nothing says what was pushed")]
    NoReference,
    /// An event that publishes nothing.
    #[error("the event `{0}` does not publish")]
    OtherEvent(String),
    /// Neither GitHub nor flags say anything.
    #[error("nothing says what to publish: this is no GitHub Actions run, and no flag names a ref")]
    NoEvent,
    /// The commit is not known.
    #[error("the commit is not known")]
    NoCommit,
    /// The commit is no commit id.
    #[error("`{0}` is not a commit, expected 40 or 64 hexadecimal digits")]
    BadCommit(String),
    /// An input of manual builds given to another event.
    #[error("the input `{input}` is for manual builds, the event is `{event}`")]
    NotManual {
        /// The input.
        input: &'static str,
        /// The event.
        event: String,
    },
    /// The input `platforms` has an entry that is no platform.
    #[error("the input `platforms` is not acceptable: {0}")]
    BadPlatform(PlatformError),
    /// The input `platforms` has an entry that is not configured.
    #[error("the input `platforms` names {platform}, which is not configured; configured are {configured}")]
    UnknownPlatform {
        /// The entry.
        platform: String,
        /// All that could be named.
        configured: String,
    },
    /// The input `platforms` has an entry twice.
    #[error("the input `platforms` names {0} twice")]
    RepeatedPlatform(String),
    /// The input `skip_push` is neither yes nor no.
    #[error("the input `skip_push` is `{0}`, expected true or false")]
    BadSkipPush(String),
    /// An input in the event's file is of a type that inputs do not have.
    #[error("the input `{0}` in the event's file is neither a text nor true or false")]
    BadInput(&'static str),
    /// The file that GitHub describes the event in cannot be read.
    #[error("cannot read the event's file {file}")]
    UnreadableEvent {
        /// The file, from `GITHUB_EVENT_PATH`.
        file: String,
        /// What the system or the parser said.
        source: io::Error,
    },
    /// Credentials that a registry needs are not there. Made from what [`missing_secrets`](super::missing_secrets)
    /// finds.
    #[error("missing secrets: {}", .0.join(", "))]
    MissingSecrets(Vec<String>),
}

impl PlanError {
    /// The exit code: 2 for tags and versions that are not acceptable, 1 for all else.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotARelease(_) | Self::BadTagName(_) | Self::ReservedTagName(_) => Exit::InvalidTag,
            _ => Exit::Failed,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotARelease(_) => {
                "delete the tag and push one of that form; a pre-release can be published by starting the workflow by hand"
            }
            Self::ReservedTagName(_) => {
                "`latest` is published by a push to the main branch, a version by pushing its tag v<major>.<minor>.<patch>"
            }
            Self::OtherBranch { .. } | Self::OtherEvent(_) => {
                "push to the main branch, push a tag v<major>.<minor>.<patch>, or start the workflow by hand \
                 (workflow_dispatch, `--tag-name`)"
            }
            Self::BadReference(_) | Self::NoReference => {
                "give the whole ref, `--ref refs/heads/main` or `--ref refs/tags/v1.2.0`"
            }
            Self::NoEvent => {
                "give `--ref refs/heads/main --sha $(git rev-parse HEAD)` for latest, `--ref refs/tags/v1.2.0` for a \
                 release, `--tag-name NAME` for a manual build"
            }
            Self::NoCommit | Self::BadCommit(_) => "give `--sha $(git rev-parse HEAD)`",
            Self::NotManual { .. } => "leave it out, or start the workflow by hand (`--event-name workflow_dispatch`)",
            Self::UnknownPlatform { .. } => "add it to `platforms` in publish.toml, or leave it out",
            Self::UnreadableEvent { .. } => "`GITHUB_EVENT_PATH` has to name the JSON file that GitHub Actions writes",
            Self::MissingSecrets(_) => {
                "set them as repository secrets (Settings, Secrets and variables, Actions) and hand them to the step \
                 in `env`; GITHUB_TOKEN is there as github.token. Elsewhere `podman login` does"
            }
            Self::BadTagName(_)
            | Self::BadPlatform(_)
            | Self::RepeatedPlatform(_)
            | Self::BadSkipPush(_)
            | Self::BadInput(_) => return None,
        })
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let mut failure = Self::new(error.exit(), error.to_string());
        if let Some(hint) = error.hint() {
            failure = failure.hint(hint);
        }
        match error {
            PlanError::UnreadableEvent { source, .. } => failure.because(source),
            _ => failure,
        }
    }
}
