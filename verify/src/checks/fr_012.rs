//! FR-012: the repository's Containerfile is the build's specification.

use super::{images::of_this_build, prelude::*};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::pipeline("what_the_containerfile_says_is_in_the_image", &["FR-012"], Scenario::Images, containerfile)];

/// Each commit's Containerfile carries a label of its own, which every image of that commit must carry too.
fn containerfile(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for name in ["main", "release v1.2.0", "by hand"] {
        let tag = run(evidence, name)?.tag().unwrap_or("latest");
        violations.extend(of_this_build(evidence, name, tag)?);
    }
    Ok(violations)
}
