//! FR-002: every pushed version tag starts a build.

use super::{
    prelude::*,
    workflows::{publishes, starts},
};
use crate::workflow::Event;

/// Versions that a filter must not shut out: of one digit each, and of several.
const VERSIONS: [Event; 3] = [Event::Tag("v1.2.3"), Event::Tag("v0.0.1"), Event::Tag("v10.20.30")];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("every_pushed_version_tag_starts_it", &["FR-002"], |evidence| starts(evidence, &VERSIONS)),
    Check::workflow("a_pushed_version_tag_publishes", &["FR-002"], |evidence| publishes(evidence, VERSIONS[0])),
];
