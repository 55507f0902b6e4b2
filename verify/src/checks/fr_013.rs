//! FR-013: Docker Hub's credentials come from the secrets `DOCKERHUB_USERNAME` and `DOCKERHUB_TOKEN`, and stay secret.

use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Stage},
    history::Kind,
    oracle::Violation,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("docker_hub_knows_who_pushes", &["FR-013", "FR-005"], Scenario::Releases, docker_hub),
    Check::watching("a_missing_secret_of_docker_hub_is_told_by_name", &["FR-013"], Scenario::MissingSecrets, missing),
    Check::watching("secrets_appear_nowhere", &["FR-013", "FR-014"], Scenario::Releases, nowhere),
    Check::watching("secrets_appear_nowhere_when_a_push_fails", &["FR-013", "FR-014"], Scenario::Refusals, nowhere),
];

fn docker_hub(evidence: &Evidence) -> Judgement {
    Ok(super::support::authenticated(evidence, "dockerhub"))
}

fn missing(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for name in ["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"] {
        violations.extend(super::support::told_missing(evidence, name)?);
    }
    Ok(violations)
}

/// What was printed, written into the summary or handed over, and all arguments of watched programs, hold no secret.
fn nowhere(evidence: &Evidence) -> Judgement {
    if evidence.runs.iter().all(|run| run.of(Stage::Build).next().is_none()) {
        return Err(Inconclusive("nothing was built".into()));
    }
    let stages = evidence.runs.iter().flat_map(|run| run.stages.iter().map(move |stage| (run, stage)));
    let told = stages.flat_map(|(run, stage)| stage.leaks.iter().map(move |leak| (run, stage, leak)));
    let mut violations: Vec<Violation> = told
        .map(|(run, stage, leak)| {
            let seen = format!("`{}`, {}: {leak}", run.name, super::support::shown(stage));
            Violation::new("a secret stands in no output, summary, hand-over or argument", seen)
        })
        .collect();
    // A token asked for with a secret in the address ends up in the logs of every proxy on the way.
    let asked = super::support::requests(evidence, &[Kind::Token, Kind::HubLogin]);
    let told: Vec<usize> = asked.filter(|(_, it)| it.path.contains("redacted")).map(|(index, _)| index).collect();
    if !told.is_empty() {
        violations.push(Violation::new("no secret stands in an address", "a request names one").shown_by(told));
    }
    Ok(violations)
}
