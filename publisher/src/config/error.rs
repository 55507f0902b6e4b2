//! Why a configuration is not accepted, in the user's words: which setting, where it stands, what would be right.

use std::io;

use thiserror::Error;

use super::origin::Origin;
use crate::exit::{Exit, Failure};

/// How alike two keys must be, from 0 to 1, for one to be offered in place of the other.
const LIKENESS_MIN: f64 = 0.5;

/// Why a configuration is not accepted.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file is there, or has to be, and cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The file as the user knows it.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file breaks TOML's grammar.
    #[error("{file} line {line} is not valid TOML: {message}")]
    Syntax {
        /// The file as the user knows it.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// The configuration file has a key that means nothing.
    #[error("unknown key `{key}` in {file} line {line}{}", did_you_mean(key, known))]
    UnknownKey {
        /// The key as it is written there.
        key: String,
        /// The file as the user knows it.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The keys that mean something at this place.
        known: &'static [&'static str],
    },
    /// A key that others need is not there.
    #[error("the {table} in {file} line {line} has no `{key}`")]
    MissingKey {
        /// The table that lacks it.
        table: &'static str,
        /// The key.
        key: &'static str,
        /// The file as the user knows it.
        file: String,
        /// The line on which the table begins, counted from 1.
        line: usize,
    },
    /// A value of another type than the key has.
    #[error("{origin} must be {expected}, not {found}")]
    WrongType {
        /// The setting.
        origin: Origin,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A list without entries.
    #[error("{0} is empty")]
    Empty(Origin),
    /// The same thing given again where each may stand once.
    #[error("{origin}: {what} {value} is given twice")]
    Twice {
        /// The setting that repeats it.
        origin: Origin,
        /// What sort of thing it is.
        what: &'static str,
        /// Which one.
        value: String,
    },
    /// A value that cannot be what it should be.
    #[error("{origin}: {problem}")]
    Invalid {
        /// The setting.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
        /// What would be right, where the problem does not say so.
        hint: Option<&'static str>,
    },
    /// Nothing says what the image is called.
    #[error("the image has no name")]
    NoImage,
    /// The build context is no folder.
    #[error("the build context {0} is not a folder")]
    NoContext(String),
    /// The context holds neither of the files that describe a build.
    #[error("neither `Containerfile` nor `Dockerfile` is in {0}")]
    NoContainerfile(String),
}

impl ConfigError {
    pub(super) fn invalid(origin: Origin, problem: impl Into<String>) -> Self {
        Self::Invalid { origin, problem: problem.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, text: &'static str) -> Self {
        if let Self::Invalid { hint, .. } = &mut self {
            *hint = Some(text);
        }
        self
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::UnknownKey { known, .. } => return Some(format!("the keys here are {}", known.join(", "))),
            Self::Invalid { hint, .. } => (*hint)?,
            Self::Empty(_) => "leave it out to get the default",
            Self::NoImage => "write `image = \"owner/name\"` in publish.toml, or give `--image owner/name`",
            Self::NoContext(_) => "name the folder with `context` in publish.toml or `--context`",
            Self::NoContainerfile(_) => {
                "write one there, or name the file with `containerfile` in publish.toml or `--containerfile`"
            }
            Self::Unreadable { .. }
            | Self::Syntax { .. }
            | Self::MissingKey { .. }
            | Self::WrongType { .. }
            | Self::Twice { .. } => return None,
        };
        Some(text.into())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let mut failure = Self::new(Exit::Failed, error.to_string());
        if let Some(hint) = error.hint() {
            failure = failure.hint(hint);
        }
        match error {
            ConfigError::Unreadable { source, .. } => failure.because(source),
            _ => failure,
        }
    }
}

fn did_you_mean(key: &str, known: &[&str]) -> String {
    let likeness = |candidate: &&str| strsim::normalized_damerau_levenshtein(key, candidate);
    known
        .iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, nearest)| format!(", did you mean `{nearest}`?"))
        .unwrap_or_default()
}
