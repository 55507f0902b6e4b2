//! One way in which a promise was broken.

use serde::{Deserialize, Serialize};

/// What should have been, what was, and which requests show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What the requirement asks for, in this very case.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
    /// Indexes into the history that was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<usize>,
}

impl Violation {
    /// A violation that no request shows.
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { expected: expected.into(), seen: seen.into(), exchanges: Vec::new() }
    }

    /// The same with the requests that show it.
    #[must_use]
    pub fn shown_by(mut self, exchanges: impl IntoIterator<Item = usize>) -> Self {
        self.exchanges.extend(exchanges);
        self
    }
}
