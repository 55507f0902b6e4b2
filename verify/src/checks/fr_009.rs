//! FR-009: the image that was `latest` before is removed; nothing accumulates under `latest`.

use super::support::{after, explained, run, works};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Run},
    oracle::{Violation, deleted_early, leftovers, within},
    scenario::{REPOSITORY, Scenario},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline(
        "superseded_images_are_gone_from_docker_hub",
        &["FR-009", "SC-006"],
        Scenario::Accumulation,
        |evidence| superseded_gone(evidence, "dockerhub"),
    ),
    Check::pipeline(
        "superseded_images_are_gone_from_ghcr",
        &["FR-009", "SC-006"],
        Scenario::Accumulation,
        |evidence| superseded_gone(evidence, "ghcr"),
    ),
    Check::pipeline("no_manifest_is_left_without_a_tag", &["FR-009"], Scenario::Accumulation, no_orphans),
    Check::pipeline(
        "the_old_latest_goes_only_after_the_new_one_is_there",
        &["FR-009", "SC-006"],
        Scenario::Accumulation,
        order,
    ),
];

/// The builds of main in this scenario whose images must be gone, each with the run that supersedes it.
const SUPERSEDED: &[(&str, &str)] = &[("main 2", "main 3"), ("main 3", LAST)];
/// The last build of main.
const LAST: &str = "main 4";

fn superseded_gone(evidence: &Evidence, server: &str) -> Judgement {
    let last = after(evidence, LAST)?.iter().find(|it| it.server == server).ok_or_else(|| unknown(server))?;
    let mut violations = super::support::success(run(evidence, LAST)?);
    for (name, next) in SUPERSEDED {
        let then = after(evidence, name)?.iter().find(|it| it.server == server).ok_or_else(|| unknown(server))?;
        let Some(digest) = then.tags.get("latest") else {
            violations.push(Violation::new(format!("{server}:latest is there after `{name}`"), "it is not"));
            continue;
        };
        let tagged = last.tags.values().any(|it| it == digest);
        if last.manifests.contains_key(digest) && !tagged {
            let expected = format!("{server}: the list of `{name}` is removed once it is superseded");
            let violation = Violation::new(expected, format!("{digest} is still there after `{LAST}`"));
            violations.extend(explained(evidence, run(evidence, next)?.span_ms(), vec![violation]));
        }
    }
    Ok(violations)
}

fn no_orphans(evidence: &Evidence) -> Judgement {
    works(evidence, LAST)?;
    Ok(after(evidence, LAST)?.iter().flat_map(leftovers).collect())
}

fn order(evidence: &Evidence) -> Judgement {
    works(evidence, LAST)?;
    let servers: Vec<&str> = evidence.registries.iter().map(String::as_str).collect();
    let spans = evidence.runs.iter().map(Run::span_ms);
    Ok(within(&evidence.history, spans, |part| deleted_early(part, REPOSITORY, "latest", &servers)))
}

fn unknown(server: &str) -> Inconclusive {
    Inconclusive(format!("nobody looked at {server}"))
}
