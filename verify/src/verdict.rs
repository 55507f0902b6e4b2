//! What becomes of a check. Only one of the five is green.

use serde::{Deserialize, Serialize};

use crate::oracle::Violation;

/// The verdict on one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The claim holds.
    Pass,
    /// It does not, in at least one way.
    Fail {
        /// All ways that were found.
        violations: Vec<Violation>,
    },
    /// Nobody can tell: the harness broke, or what the check is about did not come about.
    Unknown {
        /// Why.
        cause: String,
    },
    /// The target has not what the check needs. Known before anything runs.
    NotRun {
        /// What is missing.
        reason: String,
    },
    /// Whoever is responsible for the target says that the claim need not hold.
    Waived {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// From what a check found: nothing is a pass.
    pub fn of(violations: Vec<Violation>) -> Self {
        if violations.is_empty() { Self::Pass } else { Self::Fail { violations } }
    }

    /// `PASS`, `FAIL`, `UNKNOWN`, `NOT RUN`, `WAIVED`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail { .. } => "FAIL",
            Self::Unknown { .. } => "UNKNOWN",
            Self::NotRun { .. } => "NOT RUN",
            Self::Waived { .. } => "WAIVED",
        }
    }

    /// Whether it is a pass. Nothing else is.
    pub const fn is_green(&self) -> bool {
        matches!(self, Self::Pass)
    }
}
