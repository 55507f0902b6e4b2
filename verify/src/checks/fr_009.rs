//! FR-009: the image that was `latest` before is removed; nothing accumulates under `latest`.

use super::prelude::*;
use crate::{
    oracle::{deleted_early, leftovers},
    scenario::Scenario::Accumulation,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("superseded_images_are_gone_from_docker_hub", &["FR-009", "SC-006"], Accumulation, |evidence| {
        superseded_gone(evidence, "dockerhub")
    }),
    Check::pipeline("superseded_images_are_gone_from_ghcr", &["FR-009", "SC-006"], Accumulation, |evidence| {
        superseded_gone(evidence, "ghcr")
    }),
    Check::pipeline("no_manifest_is_left_without_a_tag", &["FR-009"], Accumulation, no_orphans),
    Check::pipeline("the_old_latest_goes_only_after_the_new_one_is_there", &["FR-009", "SC-006"], Accumulation, order),
];

/// The builds of main in this scenario whose images must be gone, each with the run that supersedes it.
const SUPERSEDED: &[(&str, &str)] = &[("main 2", "main 3"), ("main 3", LAST)];
/// The last build of main.
const LAST: &str = "main 4";

fn superseded_gone(evidence: &Evidence, server: &str) -> Judgement {
    let on_server = |name: &str| {
        let snapshot = after(evidence, name)?.iter().find(|it| it.server == server);
        snapshot.ok_or_else(|| Inconclusive(format!("{server} was not read")))
    };
    let last = on_server(LAST)?;
    let mut violations = success(run(evidence, LAST)?);
    for (name, next) in SUPERSEDED {
        let Some(digest) = on_server(name)?.tags.get("latest") else {
            violations.push(Violation::new(format!("{server}:latest is there after `{name}`"), "it is not"));
            continue;
        };
        let left = last.manifests.contains_key(digest) && !last.tags.values().any(|it| it == digest);
        let expected = format!("{server}: the list of `{name}` is removed once it is superseded");
        let found = unless(!left, expected, format!("{digest} is still there after `{LAST}`"));
        violations.extend(explained(evidence, &run(evidence, next)?.span_ms(), found));
    }
    Ok(violations)
}

fn no_orphans(evidence: &Evidence) -> Judgement {
    works(evidence, LAST)?;
    Ok(after(evidence, LAST)?.iter().flat_map(leftovers).collect())
}

fn order(evidence: &Evidence) -> Judgement {
    works(evidence, LAST)?;
    let spans = evidence.runs.iter().map(Run::span_ms);
    Ok(within(&evidence.history, spans, |part| deleted_early(part, REPOSITORY, "latest", &evidence.registries)))
}
