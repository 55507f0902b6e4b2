//! FR-002: every pushed version tag starts a build.

use super::workflows::{one, publishes, started};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    workflow::Event,
};

/// Versions that a filter must not shut out: of one digit each, and of several.
const VERSIONS: [&str; 3] = ["v1.2.3", "v0.0.1", "v10.20.30"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("every_pushed_version_tag_starts_it", &["FR-002"], starts),
    Check::workflow("a_pushed_version_tag_publishes", &["FR-002"], version_publishes),
];

fn starts(evidence: &Evidence) -> Judgement {
    one(evidence, |workflow| VERSIONS.iter().flat_map(|version| started(workflow, Event::Tag(version))).collect())
}

fn version_publishes(evidence: &Evidence) -> Judgement {
    publishes(evidence, Event::Tag(VERSIONS[0]))
}
