//! Where a setting was given, so that a message about it leads there.

use std::fmt;

/// The place that a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A key of the configuration file.
    File {
        /// The key as it is written there.
        key: String,
        /// The file as the user knows it.
        file: String,
        /// The line of the value, counted from 1.
        line: usize,
    },
    /// A flag, or the variable that stands in for it; which of the two it was is not known afterwards.
    Flag {
        /// The flag with its dashes.
        flag: &'static str,
        /// The variable, where the flag has one.
        variable: Option<&'static str>,
    },
    /// A variable that others set.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { key, file, line } => write!(f, "`{key}` in {file} line {line}"),
            Self::Flag { flag, variable: Some(variable) } => write!(f, "`{flag}` or `{variable}`"),
            Self::Flag { flag, variable: None } => write!(f, "`{flag}`"),
            Self::Variable(name) => write!(f, "`{name}`"),
        }
    }
}

/// A value and where it was given.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

impl<T> Given<T> {
    pub(super) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}
