//! FR-021: a version tag that is not `v<major>.<minor>.<patch>` fails at once and says what is expected.

use super::{
    support::{requests, shown},
    workflows::{one, started},
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    history::Kind,
    oracle::Violation,
    scenario::{Scenario, VERSIONS},
    workflow::Event,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::reading("a_tag_that_is_no_version_starts_it_too", &["FR-021"], mistakes_start),
    Check::watching("every_bad_version_is_refused", &["FR-021"], Scenario::Versions, refused),
    Check::watching("every_good_version_is_accepted", &["FR-021", "FR-002"], Scenario::Versions, accepted),
    Check::watching("a_refusal_says_what_is_expected", &["FR-021"], Scenario::Versions, says_what_is_expected),
    Check::watching("a_refusal_comes_before_anything_is_written", &["FR-021"], Scenario::Versions, nothing_written),
];

fn refused(evidence: &Evidence) -> Judgement {
    let bad = VERSIONS.iter().filter(|(_, expected)| expected.is_none());
    let wrong = |run: &crate::evidence::Run| {
        let seen = format!("it is accepted as `{}`", run.tag().unwrap_or_default());
        Violation::new(format!("the git tag `{}` is refused", run.name), seen)
    };
    runs(evidence, bad.map(|(name, _)| *name))
        .map(|run| run.map(|run| run.succeeded().then(|| wrong(run))))
        .filter_map(Result::transpose)
        .collect()
}

fn accepted(evidence: &Evidence) -> Judgement {
    let good = VERSIONS.iter().filter(|(_, expected)| expected.is_some());
    let wrong = |run: &crate::evidence::Run| {
        let said = run.stages.first().map(super::support::failure).unwrap_or_default();
        Violation::new(format!("the git tag `{}` is accepted", run.name), said)
    };
    runs(evidence, good.map(|(name, _)| *name))
        .map(|run| run.map(|run| (!run.succeeded()).then(|| wrong(run))))
        .filter_map(Result::transpose)
        .collect()
}

/// A refusal must show the form that is expected: `v<major>.<minor>.<patch>`, `vX.Y.Z`, or an example such as `v1.2.3`.
fn says_what_is_expected(evidence: &Evidence) -> Judgement {
    // Names that themselves look like the form would answer for the message.
    let bad = ["v1.2", "v1", "va.b.c", "1.2", "v"].into_iter().filter(|name| VERSIONS.iter().any(|row| row.0 == *name));
    let mut violations = Vec::new();
    for run in runs(evidence, bad) {
        let run = run?;
        let Some(stage) = run.stages.iter().find(|stage| !stage.end.is_success()) else { continue };
        let printed = stage.printed().to_lowercase();
        if !["major", "x.y.z", "semver", "semantic version"].iter().any(|word| printed.contains(word))
            && !names_a_version(&printed)
        {
            let seen = format!("{} says\n{}", shown(stage), stage.printed().trim());
            violations.push(Violation::new(
                format!("the refusal of `{}` shows the form v<major>.<minor>.<patch>", run.name),
                seen,
            ));
        }
    }
    Ok(violations)
}

/// Whether a text holds something like `v1.2.3`.
fn names_a_version(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter_map(|word| word.trim_end_matches('.').strip_prefix('v'))
        .any(|version| semver::Version::parse(version).is_ok())
}

fn nothing_written(evidence: &Evidence) -> Judgement {
    if evidence.runs.is_empty() {
        return Err(Inconclusive("no git tag was tried".into()));
    }
    let writes = [
        Kind::ManifestPut,
        Kind::UploadBegin,
        Kind::UploadMount,
        Kind::UploadWhole,
        Kind::ManifestDelete,
        Kind::HubTagDelete,
        Kind::PackageVersionDelete,
        Kind::PackageDelete,
    ];
    let written: Vec<usize> = requests(evidence, &writes).map(|(index, _)| index).collect();
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let seen = format!("{} writing requests while versions were only decided on", written.len());
    Ok(vec![Violation::new("deciding on a version writes nothing to any registry", seen).shown_by(written)])
}

/// The runs of some git tags; a version that was not tried leaves the question open.
fn runs<'a>(
    evidence: &'a Evidence,
    names: impl Iterator<Item = &'static str> + 'a,
) -> impl Iterator<Item = Result<&'a crate::evidence::Run, Inconclusive>> + 'a {
    names.map(|name| super::support::run(evidence, name))
}

/// Git tags that somebody pushes by mistake. A filter that shuts them out refuses them in silence.
const MISTAKES: [&str; 2] = ["v1.2", "v1.2.3.4"];

fn mistakes_start(evidence: &Evidence) -> Judgement {
    one(evidence, |workflow| MISTAKES.iter().flat_map(|tag| started(workflow, Event::Tag(tag))).collect())
}
