//! FR-014: GHCR is authenticated with the workflow's GitHub token.

use super::workflows::{GITHUB_TOKEN, each_job, each_step, holds, is_only, may_write_packages, publishing_jobs};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::Violation,
    scenario::Scenario,
    workflow::{Access, Permissions, Step, Workflow},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("ghcr_gets_the_workflows_token", &["FR-014"], the_workflows_token),
    Check::workflow("what_publishes_may_write_packages", &["FR-014"], may_publish),
    Check::workflow("permissions_are_written_down", &["FR-014"], written_down),
    Check::workflow("no_job_may_write_more_than_it_needs", &["FR-014"], least),
    Check::workflow("the_checkout_leaves_no_token", &["FR-014", "FR-013"], no_token_left),
    Check::pipeline("ghcr_knows_who_pushes", &["FR-014", "FR-006"], Scenario::Releases, ghcr),
    Check::pipeline("a_missing_github_token_is_told_by_name", &["FR-014"], Scenario::MissingSecrets, missing),
    Check::pipeline(
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

/// Names under which programs expect the workflow's token.
const TOKEN_VARIABLES: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];

fn the_workflows_token(evidence: &Evidence) -> Judgement {
    let mut violations = each_step(evidence, |workflow, step| {
        let named = TOKEN_VARIABLES.iter().filter_map(|name| Some((*name, step.env.get(*name)?)));
        named
            .chain(ghcr_password(step))
            .filter(|(_, value)| !is_only(value, &GITHUB_TOKEN))
            .map(|(name, _)| another(workflow, step, name))
            .collect()
    })?;
    if violations.is_empty() {
        for (workflow, jobs) in publishing_jobs(evidence)? {
            if !jobs.is_empty() && !jobs.iter().any(|job| holds(job, &GITHUB_TOKEN)) {
                let expected = format!("{}: a job that publishes gets the workflow's token", workflow.path);
                violations.push(Violation::new(expected, "none does"));
            }
        }
    }
    violations.dedup();
    Ok(violations)
}

fn another(workflow: &Workflow, step: &Step, name: &str) -> Violation {
    let expected = format!("{}: {}: {name} is secrets.GITHUB_TOKEN", workflow.path, step.place);
    Violation::new(expected, "it is something else")
}

/// The password of a login on GHCR by an action.
fn ghcr_password(step: &Step) -> Option<(&str, &String)> {
    let logins = ["docker/login-action", "redhat-actions/podman-login", "redhat-actions/push-to-registry"];
    let with = logins.iter().find_map(|name| step.with(name))?;
    let ghcr = with.get("registry")?.contains("ghcr.io");
    Some(("password", with.get("password").filter(|_| ghcr)?))
}

fn may_publish(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (workflow, jobs) in publishing_jobs(evidence)? {
        if !jobs.is_empty() && !jobs.iter().any(|job| may_write_packages(job)) {
            let names: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
            let expected = format!("{}: {} has packages: write", workflow.path, names.join(" or "));
            violations.push(Violation::new(expected, "no job has"));
        }
    }
    Ok(violations)
}

/// What nobody wrote down depends on the repository's settings, and may be everything.
fn written_down(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| match job.permissions {
        Permissions::Unstated => {
            vec![Violation::new(
                format!("{}: {} has permissions", workflow.path, job.id),
                "neither it nor its workflow has",
            )]
        }
        _ => Vec::new(),
    })
}

/// What jobs of a publishing pipeline may write: packages, and what signs them.
const WRITABLE: &[&str] = &["attestations", "id-token", "packages"];

fn least(evidence: &Evidence) -> Judgement {
    each_job(evidence, |workflow, job| {
        let written: Vec<&str> = match &job.permissions {
            Permissions::Unstated => Vec::new(),
            Permissions::All(access) => {
                if *access == Access::Write {
                    vec!["everything"]
                } else {
                    Vec::new()
                }
            }
            Permissions::Each(scopes) => {
                scopes.iter().filter(|(_, it)| **it == Access::Write).map(|(it, _)| it.as_str()).collect()
            }
        };
        // Who has no token in hand has no use for a right.
        let needs = |scope: &str| WRITABLE.contains(&scope) && (scope != "packages" || holds(job, &GITHUB_TOKEN));
        let expected = |scope| format!("{}: {} may not write {scope}", workflow.path, job.id);
        written
            .into_iter()
            .filter(|scope| !needs(scope))
            .map(|scope| Violation::new(expected(scope), "it may"))
            .collect()
    })
}

/// A checkout keeps the token in `.git/config`, which is a part of the build's context.
fn no_token_left(evidence: &Evidence) -> Judgement {
    each_step(evidence, |workflow, step| match step.with("actions/checkout") {
        Some(with) if with.get("persist-credentials").is_none_or(|it| it != "false") => {
            let expected = format!("{}: {} has persist-credentials: false", workflow.path, step.place);
            vec![Violation::new(expected, "the token stays in .git/config, where a build may copy it from")]
        }
        _ => Vec::new(),
    })
}
