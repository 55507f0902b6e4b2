//! SC-002: images can be pulled from both registries.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    images::{absent, containers, publications},
    prelude::*,
};
use crate::harness::podman::ContainerRun;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::image("a_tag_has_the_same_digest_on_all_registries", &["SC-002", "SC-006"], same_digest),
    Check::container("every_image_can_be_pulled", &["SC-002", "FR-005", "FR-006"], pulled),
];

fn same_digest(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    let publications = publications(evidence)?;
    let mut references: BTreeMap<&str, BTreeMap<&str, Option<&str>>> = BTreeMap::new();
    for it in publications {
        references.entry(&it.reference).or_default().insert(&it.server, it.digest());
    }
    require(publications.len() > references.len(), "each reference was looked at on one registry alone")?;
    for (reference, digests) in references {
        let same = digests.values().collect::<BTreeSet<_>>().len() == 1;
        violations.extend(unless(same, format!("{reference} is the same everywhere"), format!("{digests:?}")));
    }
    Ok(violations)
}

fn pulled(evidence: &Evidence) -> Judgement {
    let failed = containers(evidence)?.iter().filter_map(|it| Some((it, it.pulled.as_ref().err()?)));
    let expected = |it: &ContainerRun| format!("podman pulls {}:{} for {}", it.server, it.reference, it.platform);
    Ok(failed.map(|(it, error)| Violation::new(expected(it), error)).collect())
}
