//! FR-014: GHCR is authenticated with the workflow's GitHub token.

use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("ghcr_knows_who_pushes", &["FR-014", "FR-006"], Scenario::Releases, ghcr),
    Check::watching("a_missing_github_token_is_told_by_name", &["FR-014"], Scenario::MissingSecrets, missing),
    Check::watching(
        "a_token_that_expires_on_the_way_is_renewed",
        &["FR-014", "FR-013"],
        Scenario::TokenExpires,
        renewed,
    ),
];

fn ghcr(evidence: &Evidence) -> Judgement {
    Ok(super::support::authenticated(evidence, "ghcr"))
}

fn missing(evidence: &Evidence) -> Judgement {
    super::support::told_missing(evidence, "GITHUB_TOKEN")
}

fn renewed(evidence: &Evidence) -> Judgement {
    super::support::survived(evidence, &["main"])
}
