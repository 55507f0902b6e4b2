//! FR-005: images are published to Docker Hub.

use super::prelude::*;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::pipeline("every_run_publishes_to_docker_hub", &["FR-005"], Scenario::Releases, |evidence| {
        publishes_to(evidence, "dockerhub")
    })];

/// Each run of the scenario must leave its tag on a registry.
pub(super) fn publishes_to(evidence: &Evidence, server: &str) -> Judgement {
    let mut violations = Vec::new();
    for (name, tag) in RELEASES {
        violations.extend(success(run(evidence, name)?));
        for snapshot in after(evidence, name)?.iter().filter(|it| it.server == server) {
            violations.extend(has_tag(snapshot, tag, |it| it == tag));
        }
    }
    Ok(violations)
}
