//! FR-009: the image that was `latest` before is removed; nothing accumulates under `latest`.

use super::support::{after, run, works};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::{Violation, leftovers},
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("superseded_images_are_gone_from_docker_hub", &["FR-009", "SC-006"], Scenario::Accumulation, |evidence| {
        superseded_gone(evidence, "dockerhub")
    }),
    Check::watching("superseded_images_are_gone_from_ghcr", &["FR-009", "SC-006"], Scenario::Accumulation, |evidence| {
        superseded_gone(evidence, "ghcr")
    }),
    Check::watching("no_manifest_is_left_without_a_tag", &["FR-009"], Scenario::Accumulation, no_orphans),
    Check::watching("the_old_latest_goes_only_after_the_new_one_is_there", &["FR-009", "SC-006"], Scenario::Accumulation, order),
];

/// The builds of main in this scenario but the last, whose images must be gone unless a release shares them.
const SUPERSEDED: &[&str] = &["main 2", "main 3"];
/// The last build of main.
const LAST: &str = "main 4";

fn superseded_gone(evidence: &Evidence, server: &str) -> Judgement {
    let last = after(evidence, LAST)?.iter().find(|it| it.server == server).ok_or_else(|| unknown(server))?;
    let mut violations = super::support::success(run(evidence, LAST)?);
    for name in SUPERSEDED {
        let then = after(evidence, name)?.iter().find(|it| it.server == server).ok_or_else(|| unknown(server))?;
        let Some(digest) = then.tags.get("latest") else {
            violations.push(Violation::new(format!("{server}:latest is there after `{name}`"), "it is not"));
            continue;
        };
        let tagged = last.tags.values().any(|it| it == digest);
        if last.manifests.contains_key(digest) && !tagged {
            let expected = format!("{server}: the list of `{name}` is removed once it is superseded");
            violations.push(Violation::new(expected, format!("{digest} is still there after `{LAST}`")));
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
    let mut violations = Vec::new();
    let deletions = evidence.history.iter().enumerate().filter(|(_, it)| {
        it.operation.as_ref().is_some_and(|operation| operation.kind.deletes()) && it.status.is_some_and(|code| code < 300)
    });
    for (index, deletion) in deletions {
        let Some(run) = evidence.runs.iter().find(|run| {
            let (began, ended) = run.span_ms();
            (began..=ended).contains(&deletion.began_ms)
        }) else {
            continue;
        };
        let moved = evidence.history.iter().position(|it| {
            let (began, _) = run.span_ms();
            let tag = it.operation.as_ref().filter(|it| it.kind == crate::history::Kind::ManifestPut).and_then(|it| it.tag());
            it.began_ms >= began && tag == Some("latest") && it.status.is_some_and(|code| code < 300)
        });
        if moved.is_none_or(|moved| moved > index) {
            let expected = format!("`{}` removes what was latest after latest has moved", run.name);
            violations.push(Violation::new(expected, "it removes before").shown_by([index].into_iter().chain(moved)));
        }
    }
    Ok(violations)
}

fn unknown(server: &str) -> Inconclusive {
    Inconclusive(format!("nobody looked at {server}"))
}
