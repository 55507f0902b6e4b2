//! FR-005: images are published to Docker Hub.

use super::support::{after, run, success};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::Violation,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::pipeline("every_run_publishes_to_docker_hub", &["FR-005"], Scenario::Releases, |evidence| {
        published(evidence, "dockerhub")
    })];

/// Each run of the scenario must leave its tag on a registry.
pub(super) fn published(evidence: &Evidence, server: &str) -> Judgement {
    let mut violations = Vec::new();
    for (name, tag) in [("first main", "latest"), ("release v1.2.0", "1.2.0"), ("second main", "latest")] {
        violations.extend(success(run(evidence, name)?));
        for snapshot in after(evidence, name)?.iter().filter(|it| it.server == server && !it.tags.contains_key(tag)) {
            let tags: Vec<&String> = snapshot.tags.keys().collect();
            violations
                .push(Violation::new(format!("{server} has {tag} after `{name}`"), format!("its tags: {tags:?}")));
        }
    }
    Ok(violations)
}
