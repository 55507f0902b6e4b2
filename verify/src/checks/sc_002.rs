//! SC-002: images can be pulled from both registries.

use super::support::{absent, containers, publications};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::Violation,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::image("a_tag_has_the_same_digest_on_all_registries", &["SC-002", "SC-006"], same_digest),
    Check::container("every_image_can_be_pulled", &["SC-002", "FR-005", "FR-006"], pulled),
];

fn same_digest(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    let publications = publications(evidence)?;
    let mut references: Vec<&str> = publications.iter().map(|it| it.reference.as_str()).collect();
    references.sort_unstable();
    references.dedup();
    if publications.len() == references.len() {
        return Err(Inconclusive("each reference was looked at on one registry alone".into()));
    }
    for reference in references {
        let digests: std::collections::BTreeMap<_, _> = publications
            .iter()
            .filter(|it| it.reference == reference)
            .map(|it| (it.server.as_str(), it.digest()))
            .collect();
        let different: std::collections::BTreeSet<_> = digests.values().collect();
        if different.len() > 1 {
            violations.push(Violation::new(format!("{reference} is the same everywhere"), format!("{digests:?}")));
        }
    }
    Ok(violations)
}

fn pulled(evidence: &Evidence) -> Judgement {
    let failed = containers(evidence)?.iter().filter_map(|it| Some((it, it.pulled.as_ref().err()?)));
    Ok(failed
        .map(|(it, error)| {
            Violation::new(format!("podman pulls {}:{} for {}", it.server, it.reference, it.platform), error.clone())
        })
        .collect())
}
