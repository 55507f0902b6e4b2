//! The verdict on a check.
//!
//! FAIL and UNKNOWN make a report fail. NOT RUN and WAIVED are listed and change nothing, but a report without any PASS fails.

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
    /// Whether the claim holds is unknown: the harness broke, or what the check judges did not happen.
    Unknown {
        /// Why.
        cause: String,
    },
    /// The target lacks what the check needs. Known before anything runs.
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

    /// Whether it is PASS: the one verdict that says that the claim holds.
    pub const fn is_green(&self) -> bool {
        matches!(self, Self::Pass)
    }
}
