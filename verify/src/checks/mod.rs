//! All checks: one file for each requirement, registered by hand, and a list of what no check on this machine can show.

#![expect(clippy::unnecessary_wraps, reason = "all judges have one type, also those that can always tell")]

mod fr_001;
mod fr_002;
mod fr_003;
mod fr_004;
mod fr_005;
mod fr_006;
mod fr_007;
mod fr_008;
mod fr_009;
mod fr_010;
mod fr_011;
mod fr_012;
mod fr_013;
mod fr_014;
mod fr_015;
mod fr_016;
mod fr_017;
mod fr_018;
mod fr_019;
mod fr_020;
mod fr_021;
mod images;
mod prelude;
mod sc_001;
mod sc_002;
mod sc_003;
mod sc_004;
mod sc_005;
mod sc_006;
mod sc_007;
mod sc_008;
mod sc_009;
mod workflows;

use crate::check::Check;

/// The checks of all requirements, in the catalogue's order.
const CHECKS: &[&[Check]] = &[
    fr_001::CHECKS,
    fr_002::CHECKS,
    fr_003::CHECKS,
    fr_004::CHECKS,
    fr_005::CHECKS,
    fr_006::CHECKS,
    fr_007::CHECKS,
    fr_008::CHECKS,
    fr_009::CHECKS,
    fr_010::CHECKS,
    fr_011::CHECKS,
    fr_012::CHECKS,
    fr_013::CHECKS,
    fr_014::CHECKS,
    fr_015::CHECKS,
    fr_016::CHECKS,
    fr_017::CHECKS,
    fr_018::CHECKS,
    fr_019::CHECKS,
    fr_020::CHECKS,
    fr_021::CHECKS,
    sc_001::CHECKS,
    sc_002::CHECKS,
    sc_003::CHECKS,
    sc_004::CHECKS,
    sc_005::CHECKS,
    sc_006::CHECKS,
    sc_007::CHECKS,
    sc_008::CHECKS,
    sc_009::CHECKS,
];

/// All checks, in the order of their requirements.
pub fn all() -> Vec<&'static Check> {
    CHECKS.iter().copied().flatten().collect()
}

/// A part of a requirement that cannot be shown on this machine, neither by running a pipeline nor by reading a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Exception {
    /// The requirement.
    pub requirement: &'static str,
    /// What cannot be shown.
    pub not_shown: &'static str,
    /// What speaks for it instead.
    pub instead: &'static str,
}

/// All exceptions, in the catalogue's order.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        requirement: "FR-001",
        not_shown: "that GitHub is there when main is pushed, and that the repository's settings let workflows run",
        instead: "the workflow's filters and conditions let every push to main through (fr_001), and a run that is told of one \
                  publishes latest (fr_007)",
    },
    Exception {
        requirement: "FR-002",
        not_shown: "that GitHub is there when a version tag is pushed, and that the repository's settings let workflows run",
        instead: "the workflow's filters and conditions let every version through (fr_002), and a run that is told of one \
                  publishes it (fr_008, fr_021)",
    },
    Exception {
        requirement: "FR-020",
        not_shown: "that GitHub honours the concurrency group and sends the signal",
        instead: "the workflow asks for it (fr_020), a run that is signalled publishes nothing and ends at once (fr_020), and an \
                  older one never replaces a newer latest (fr_007)",
    },
    Exception {
        requirement: "SC-001",
        not_shown: "that no rule of an environment, which stands in the repository's settings, asks for somebody",
        instead: "nothing in the workflow does (sc_001), and all stages run without input, from the event's variables alone \
                  (fr_007)",
    },
    Exception {
        requirement: "SC-009",
        not_shown: "how long GitHub takes to show what a job has printed",
        instead: "a failing run prints its annotation and ends quickly (fr_015, sc_009)",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::requirements::REQUIREMENTS;

    #[test]
    fn every_requirement_has_a_check_or_a_written_exception() {
        let checked: BTreeSet<&str> = all().iter().flat_map(|check| check.requirements).copied().collect();
        let excepted: BTreeSet<&str> = EXCEPTIONS.iter().map(|it| it.requirement).collect();
        let missing: Vec<&str> =
            REQUIREMENTS.iter().map(|it| it.id).filter(|id| !checked.contains(id) && !excepted.contains(id)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn checks_and_exceptions_name_requirements_that_exist() {
        let known: BTreeSet<&str> = REQUIREMENTS.iter().map(|it| it.id).collect();
        let named = all().into_iter().flat_map(|check| check.requirements.iter().copied());
        let named = named.chain(EXCEPTIONS.iter().map(|it| it.requirement));
        assert_eq!(named.filter(|id| !known.contains(id)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn claims_are_sentences_and_names_are_unique_and_in_order() {
        let checks = all();
        for check in &checks {
            assert!(check.claim.split('_').count() >= 3, "{} is no sentence", check.claim);
            assert!(
                check.claim.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                "{}",
                check.claim
            );
            assert!(!check.needs.is_empty());
        }
        let mut counts = BTreeMap::<String, usize>::new();
        for check in &checks {
            *counts.entry(check.id()).or_default() += 1;
        }
        assert_eq!(counts.into_iter().filter(|(_, count)| *count > 1).collect::<Vec<_>>(), []);
        let order: Vec<&str> = checks.iter().map(|check| check.requirements[0]).collect();
        assert!(order.is_sorted());
    }
}
