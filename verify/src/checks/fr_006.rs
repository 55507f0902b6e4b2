//! FR-006: images are published to GitHub Container Registry.

use crate::{check::Check, scenario::Scenario};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::pipeline("every_run_publishes_to_ghcr", &["FR-006"], Scenario::Releases, |evidence| {
        super::fr_005::published(evidence, "ghcr")
    })];
