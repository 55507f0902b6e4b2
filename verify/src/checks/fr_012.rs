//! FR-012: the repository's Containerfile is the build's specification.

use super::support::{after, run};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::Violation,
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[Check::watching(
    "what_the_containerfile_says_is_in_the_image",
    &["FR-012"],
    Scenario::Releases,
    containerfile,
)];

/// Each commit's Containerfile carries a label of its own, which every image of that commit must carry too.
fn containerfile(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    let mut seen = 0;
    for (tag, name) in [("1.2.0", "release v1.2.0"), ("latest", "second main")] {
        let expected = run(evidence, name)?;
        after(evidence, name)?;
        for publication in evidence.publications.iter().filter(|it| it.reference == tag) {
            for child in publication.platforms() {
                seen += 1;
                let label = child.label(crate::scenario::SOURCE_LABEL);
                let wanted = evidence.source_marks.get(&expected.commit).map(String::as_str);
                if label != wanted {
                    let where_ = format!("{}:{tag} {}", publication.server, child.platform_name());
                    violations.push(Violation::new(format!("{where_} has the label of its commit, {wanted:?}"), format!("{label:?}")));
                }
            }
        }
    }
    if seen == 0 {
        return Err(Inconclusive("no image could be read".into()));
    }
    Ok(violations)
}
