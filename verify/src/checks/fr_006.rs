//! FR-006: images are published to GitHub Container Registry.

use super::{fr_005::publishes_to, prelude::*};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("every_run_publishes_to_ghcr", &["FR-006"], Scenario::Releases, |evidence| {
        publishes_to(evidence, "ghcr")
    }),
    Check::pipeline("no_other_server_is_asked", &["FR-006", "FR-005"], Scenario::Releases, no_other_server),
];

/// A pipeline publishes to the repositories that it is given, and to no other that it knows by heart.
fn no_other_server(evidence: &Evidence) -> Judgement {
    let given = "requests to the servers that the pipeline was given";
    Ok(evidence.outside.iter().map(|host| Violation::new(given, format!("it asked for {host}"))).collect())
}
