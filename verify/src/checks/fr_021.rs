//! FR-021: a version tag that is not `v<major>.<minor>.<patch>` fails at once and says what is expected.

use super::{prelude::*, workflows::starts};
use crate::{
    scenario::{
        Scenario::{BadVersion, Versions},
        VERSIONS,
    },
    workflow::Event,
};

/// Git tags that are pushed by mistake. A filter that shuts them out refuses them in silence.
const MISTAKES: [Event; 2] = [Event::Tag("v1.2"), Event::Tag("v1.2.3.4")];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::workflow("a_tag_that_is_no_version_starts_it_too", &["FR-021"], |evidence| starts(evidence, &MISTAKES)),
    Check::pipeline("every_bad_version_is_refused", &["FR-021"], Versions, refused),
    Check::pipeline("every_good_version_is_accepted", &["FR-021", "FR-002"], Versions, accepted),
    Check::pipeline("a_refusal_says_what_is_expected", &["FR-021"], BadVersion, says_what_is_expected),
    Check::pipeline("a_refusal_comes_before_anything_is_built_or_written", &["FR-021"], BadVersion, before_anything),
];

fn refused(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, _) in VERSIONS.iter().filter(|(_, tag)| tag.is_none()) {
        let run = run(evidence, name)?;
        let seen = format!("it is accepted as `{}`", run.tag().unwrap_or_default());
        violations.extend(unless(!run.succeeded(), format!("the git tag `{name}` is refused"), seen));
    }
    Ok(violations)
}

fn accepted(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, _) in VERSIONS.iter().filter(|(_, tag)| tag.is_some()) {
        let run = run(evidence, name)?;
        let seen = run.stages.first().map(failure).unwrap_or_default();
        violations.extend(unless(run.succeeded(), format!("the git tag `{name}` is accepted"), seen));
    }
    Ok(violations)
}

/// A refusal must show the form that is expected: `v<major>.<minor>.<patch>`, `vX.Y.Z`, or an example such as `v1.2.3`.
fn says_what_is_expected(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "v1.2")?;
    let printed = run.stages.iter().map(StageRun::printed).collect::<String>().to_lowercase();
    let shows = ["major", "x.y.z", "semver", "semantic version"].iter().any(|word| printed.contains(word));
    let seen = match run.failed_stages().next() {
        Some(stage) => format!("{stage} says\n{}", stage.printed().trim()),
        None => "it is not refused".to_owned(),
    };
    let expected = "the refusal of `v1.2` shows the form v<major>.<minor>.<patch>";
    Ok(unless(shows || names_a_version(&printed), expected, seen))
}

/// Whether a text holds something like `v1.2.3`.
fn names_a_version(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter_map(|word| word.trim_end_matches('.').strip_prefix('v'))
        .any(|version| semver::Version::parse(version).is_ok())
}

fn before_anything(evidence: &Evidence) -> Judgement {
    let later = run(evidence, "v1.2")?.stages.iter().filter(|stage| stage.stage != Stage::Prepare).take(1);
    let reached = later.map(|stage| Violation::new("`v1.2` is refused by prepare", format!("it comes to {stage}")));
    let writes = requests(evidence, ALWAYS).filter(|(_, it)| it.is(Kind::writes));
    let written = none_of(writes, "nothing is written to any registry for `v1.2`", "writing requests");
    Ok(reached.chain(written).collect())
}
