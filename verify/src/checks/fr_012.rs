//! FR-012: the repository's Containerfile is the build's specification.

use super::support::run;
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::Violation,
    scenario::{SOURCE_LABEL, Scenario},
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::watching("what_the_containerfile_says_is_in_the_image", &["FR-012"], Scenario::Images, containerfile)];

/// Each commit's Containerfile carries a label of its own, which every image of that commit must carry too.
fn containerfile(evidence: &Evidence) -> Judgement {
    let commit = &run(evidence, "main")?.commit;
    let wanted = evidence.source_marks.get(commit).map(String::as_str);
    let mut violations = Vec::new();
    let mut seen = 0;
    for publication in &evidence.publications {
        for child in publication.platforms() {
            seen += 1;
            let label = child.label(SOURCE_LABEL);
            if label != wanted {
                let expected =
                    format!("{} {} has its commit's label, {wanted:?}", publication.name(), child.platform_name());
                violations.push(Violation::new(expected, format!("{label:?}")));
            }
        }
    }
    if seen == 0 {
        return Err(Inconclusive("no image could be read".into()));
    }
    Ok(violations)
}
