//! FR-015: success and failure are visible in the GitHub repository: status, summary, annotations.

use super::support::{failure, run, shown, stages};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Run, Stage, StageRun},
    oracle::Violation,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("a_success_is_summed_up", &["FR-015"], Scenario::Releases, summed_up),
    Check::watching(
        "a_success_names_the_tag_and_the_digest",
        &["FR-015"],
        Scenario::Releases,
        names_what_was_published,
    ),
    Check::watching("a_failed_build_is_annotated", &["FR-015", "SC-009"], Scenario::BuildFails, build_annotated),
    Check::watching("a_failed_build_names_its_platform", &["FR-015"], Scenario::BuildFails, build_named),
    Check::watching("a_failed_push_is_annotated", &["FR-015", "SC-009"], Scenario::Refusals, push_annotated),
    Check::watching("a_failed_push_names_its_registry", &["FR-015"], Scenario::Refusals, push_named),
    Check::watching("a_refused_version_is_annotated", &["FR-015", "SC-009"], Scenario::BadVersion, version_annotated),
];

fn summed_up(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "first main")?;
    let merge = stages(run, Stage::Merge)?;
    let summary: String = merge.iter().map(|stage| stage.summary.as_str()).collect();
    if summary.trim().is_empty() {
        return Ok(vec![Violation::new("merge writes a job summary", "it is empty")]);
    }
    Ok(Vec::new())
}

fn names_what_was_published(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "release v1.2.0")?;
    let merge = stages(run, Stage::Merge)?;
    let told: Vec<String> = merge.iter().flat_map(|stage| [stage.printed(), stage.summary.clone()]).collect();
    let told = told.join("\n");
    let mut violations = Vec::new();
    if !told.contains("1.2.0") {
        violations.push(Violation::new("merge tells the tag", "1.2.0 is not in its output or summary"));
    }
    for snapshot in super::support::after(evidence, "release v1.2.0")? {
        if let Some(digest) = snapshot.tags.get("1.2.0").filter(|digest| !told.contains(digest.as_str())) {
            violations
                .push(Violation::new("merge tells the digest", format!("{digest} is not in its output or summary")));
        }
    }
    Ok(violations)
}

fn build_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "arm64 fails")?)
}

fn push_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "down")?)
}

fn version_annotated(evidence: &Evidence) -> Judgement {
    annotated(run(evidence, "v1.2")?)
}

fn build_named(evidence: &Evidence) -> Judgement {
    named(run(evidence, "arm64 fails")?, &["arm64"])
}

fn push_named(evidence: &Evidence) -> Judgement {
    named(run(evidence, "down")?, &["dockerhub", "docker hub", "docker.io", &evidence.address("dockerhub")])
}

/// A failed stage must leave an error annotation: that is what GitHub shows at the commit.
fn annotated(run: &Run) -> Judgement {
    let mut violations = super::support::failed(run);
    for stage in run.stages.iter().filter(|stage| !stage.end.is_success()) {
        if errors(stage).next().is_none() {
            let expected = format!("{} of `{}` prints an annotation, `::error…::…`", shown(stage), run.name);
            violations.push(Violation::new(expected, failure(stage)));
        }
    }
    Ok(violations)
}

/// The annotations or the summary of what failed must name it: who reads them has not opened the log.
fn named(run: &Run, names: &[&str]) -> Judgement {
    let failed: Vec<&StageRun> = run.stages.iter().filter(|stage| !stage.end.is_success()).collect();
    let annotations = run.stages.iter().flat_map(errors).map(str::to_owned);
    let told: Vec<String> = annotations.chain(failed.iter().map(|stage| stage.summary.clone())).collect();
    let told_lower = told.join("\n").to_lowercase();
    if names.iter().any(|name| told_lower.contains(&name.to_lowercase())) {
        return Ok(Vec::new());
    }
    let seen = match failed.first() {
        Some(stage) => format!("annotations and summaries say: {}\n{}", told.join(" "), failure(stage)),
        None => "every stage ended with 0, and no annotation tells of an error".to_owned(),
    };
    Ok(vec![Violation::new(
        format!("an annotation or the summary of `{}` names {}", run.name, names.join(" or ")),
        seen,
    )])
}

/// The error annotations of a stage.
fn errors(stage: &StageRun) -> impl Iterator<Item = &str> {
    let lines = stage.stdout.lines().chain(stage.stderr.lines()).map(str::trim_start);
    lines.filter(|line| line.starts_with("::error"))
}
