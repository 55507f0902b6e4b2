//! FR-014: GHCR is authenticated with the workflow's GitHub token.

use std::collections::BTreeMap;

use super::{
    prelude::*,
    workflows::{GITHUB_TOKEN, each_job, each_step, holds, ids, is_only, may_write_packages, publishing_jobs},
};
use crate::{
    scenario::Scenario::{MissingSecrets, Releases, TokenExpires},
    workflow::{Access, Job, Permissions, Step},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("ghcr_gets_the_workflows_token", &["FR-014"], the_workflows_token),
    Check::workflow("what_publishes_may_write_packages", &["FR-014"], may_publish),
    Check::workflow("permissions_are_written_down", &["FR-014"], written_down),
    Check::workflow("no_job_may_write_more_than_it_needs", &["FR-014"], least),
    Check::workflow("the_checkout_leaves_no_token", &["FR-014", "FR-013"], no_token_left),
    Check::pipeline("ghcr_knows_who_pushes", &["FR-014", "FR-006"], Releases, |evidence| {
        Ok(authenticated(evidence, "ghcr"))
    }),
    Check::pipeline("a_missing_github_token_is_told_by_name", &["FR-014"], MissingSecrets, |evidence| {
        missing_secret(evidence, "GITHUB_TOKEN")
    }),
    Check::pipeline("a_token_that_expires_on_the_way_is_renewed", &["FR-014", "FR-013"], TokenExpires, |evidence| {
        survived(evidence, &["main"])
    }),
];

/// Names under which programs expect the workflow's token.
const TOKEN_VARIABLES: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];

fn the_workflows_token(evidence: &Evidence) -> Judgement {
    let mut violations = each_step(evidence, |workflow, step| {
        let named = TOKEN_VARIABLES.iter().filter_map(|name| Some((*name, step.env.get(*name)?)));
        let other = named.chain(ghcr_password(step)).filter(|(_, value)| !is_only(value, &GITHUB_TOKEN));
        let expected = |name| format!("{}: {}: {name} is secrets.GITHUB_TOKEN", workflow.path, step.place);
        other.map(|(name, _)| Violation::new(expected(name), "it is something else")).collect()
    })?;
    violations.dedup();
    if !violations.is_empty() {
        return Ok(violations);
    }
    one_publishing_job(evidence, |job| holds(job, &GITHUB_TOKEN), "gets the workflow's token")
}

/// The password of a login on GHCR by an action.
fn ghcr_password(step: &Step) -> Option<(&str, &String)> {
    let logins = ["docker/login-action", "redhat-actions/podman-login", "redhat-actions/push-to-registry"];
    let with = logins.iter().find_map(|name| step.with(name))?;
    let ghcr = with.get("registry")?.contains("ghcr.io");
    Some(("password", with.get("password").filter(|_| ghcr)?))
}

fn may_publish(evidence: &Evidence) -> Judgement {
    one_publishing_job(evidence, may_write_packages, "has packages: write")
}

/// A violation for each workflow that publishes by jobs of which none is as one must be.
fn one_publishing_job(evidence: &Evidence, is_right: impl Fn(&Job) -> bool, claim: &str) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)?.into_iter().filter(|(_, jobs)| !jobs.is_empty()) {
        let expected = format!("{}: {} {claim}", workflow.path, ids(&jobs).join(" or "));
        violations.extend(unless(jobs.into_iter().any(&is_right), expected, "no job does"));
    }
    Ok(violations)
}

/// What is not written down depends on the repository's settings, and may be everything.
fn written_down(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let written = job.permissions != Permissions::Unstated;
        unless(written, format!("{}: {} has permissions", workflow.path, job.id), "neither it nor its workflow has")
    })
}

/// What jobs of a publishing pipeline may write: packages, and what signs them.
const WRITABLE: &[&str] = &["attestations", "id-token", "packages"];

fn least(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let written: Vec<&str> = match &job.permissions {
            Permissions::All(Access::Write) => vec!["everything"],
            Permissions::Unstated | Permissions::All(_) => Vec::new(),
            Permissions::Each(scopes) => {
                scopes.iter().filter(|(_, it)| **it == Access::Write).map(|(it, _)| it.as_str()).collect()
            }
        };
        // A job without the token has no use for a right.
        let needs = |scope: &str| WRITABLE.contains(&scope) && (scope != "packages" || holds(job, &GITHUB_TOKEN));
        let expected = |scope| format!("{}: {} may not write {scope}", workflow.path, job.id);
        written.into_iter().flat_map(|scope| unless(needs(scope), expected(scope), "it may")).collect()
    })
}

/// A checkout keeps the token in `.git/config`, which is a part of the build's context.
fn no_token_left(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| {
        let kept = |with: &BTreeMap<String, String>| with.get("persist-credentials").is_none_or(|it| it != "false");
        let expected = format!("{}: {} has persist-credentials: false", workflow.path, step.place);
        let seen = "the token stays in .git/config, where a build may copy it from";
        unless(!step.with("actions/checkout").is_some_and(kept), expected, seen)
    })
}
