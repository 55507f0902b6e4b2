//! FR-021: a version tag that is not `v<major>.<minor>.<patch>` fails at once and says what is expected.

use super::{
    support::{run, shown},
    workflows::{one, started},
};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::{Evidence, Stage, StageRun},
    history::Exchange,
    oracle::Violation,
    scenario::{Scenario, VERSIONS},
    workflow::Event,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("a_tag_that_is_no_version_starts_it_too", &["FR-021"], mistakes_start),
    Check::pipeline("every_bad_version_is_refused", &["FR-021"], Scenario::Versions, refused),
    Check::pipeline("every_good_version_is_accepted", &["FR-021", "FR-002"], Scenario::Versions, accepted),
    Check::pipeline("a_refusal_says_what_is_expected", &["FR-021"], Scenario::BadVersion, says_what_is_expected),
    Check::pipeline(
        "a_refusal_comes_before_anything_is_built_or_written",
        &["FR-021"],
        Scenario::BadVersion,
        before_anything,
    ),
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
    let run = run(evidence, "v1.2")?;
    let printed = run.stages.iter().map(StageRun::printed).collect::<String>().to_lowercase();
    let shows = ["major", "x.y.z", "semver", "semantic version"].iter().any(|word| printed.contains(word));
    if shows || names_a_version(&printed) {
        return Ok(Vec::new());
    }
    let seen = match run.stages.iter().find(|stage| !stage.end.is_success()) {
        Some(stage) => format!("{} says\n{}", shown(stage), stage.printed().trim()),
        None => "it is not refused".to_owned(),
    };
    Ok(vec![Violation::new("the refusal of `v1.2` shows the form v<major>.<minor>.<patch>", seen)])
}

/// Whether a text holds something like `v1.2.3`.
fn names_a_version(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter_map(|word| word.trim_end_matches('.').strip_prefix('v'))
        .any(|version| semver::Version::parse(version).is_ok())
}

fn before_anything(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "v1.2")?;
    let mut violations = Vec::new();
    if let Some(stage) = run.stages.iter().find(|stage| stage.stage != Stage::Prepare) {
        let expected = "`v1.2` is refused by prepare";
        violations.push(Violation::new(expected, format!("it comes to {}", shown(stage))));
    }
    let writes = |exchange: &Exchange| exchange.operation.as_ref().is_some_and(|it| it.kind.writes());
    let written: Vec<usize> = (0..evidence.history.len()).filter(|index| writes(&evidence.history[*index])).collect();
    if !written.is_empty() {
        let seen = format!("{} writing requests", written.len());
        violations.push(Violation::new("nothing is written to any registry for `v1.2`", seen).shown_by(written));
    }
    Ok(violations)
}

/// The runs of some git tags; a version that was not tried leaves the question open.
fn runs<'a>(
    evidence: &'a Evidence,
    names: impl Iterator<Item = &'static str> + 'a,
) -> impl Iterator<Item = Result<&'a crate::evidence::Run, Inconclusive>> + 'a {
    names.map(|name| run(evidence, name))
}

/// Git tags that somebody pushes by mistake. A filter that shuts them out refuses them in silence.
const MISTAKES: [&str; 2] = ["v1.2", "v1.2.3.4"];

fn mistakes_start(evidence: &Evidence) -> Judgement {
    one(evidence, |workflow| MISTAKES.iter().flat_map(|tag| started(workflow, Event::Tag(tag))).collect())
}
