//! FR-003: each build covers linux/amd64 and linux/arm64.

use super::support::{PLATFORMS, absent, publications};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    look::{Child, Publication},
    oracle::Violation,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::looking("every_tag_covers_both_platforms", &["FR-003", "SC-003", "SC-008"], covers_both),
    Check::looking("list_and_image_agree_on_the_platform", &["FR-003", "SC-003"], agree),
    Check::looking("every_program_is_made_for_its_platform", &["FR-003", "SC-003"], right_machine),
];

fn covers_both(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    for publication in publications(evidence)?.iter().filter(|it| it.is_there()) {
        for platform in PLATFORMS.into_iter().filter(|platform| publication.platform(platform).is_none()) {
            let has: Vec<String> = publication.platforms().map(Child::platform_name).collect();
            let expected = format!("{} has an image for {platform}", publication.name());
            violations.push(Violation::new(expected, format!("it has {}", has.join(", "))));
        }
    }
    Ok(violations)
}

/// The descriptor in the list and the image's own configuration must say the same.
fn agree(evidence: &Evidence) -> Judgement {
    let disagrees = |publication: &Publication, child: &Child| {
        let listed = child.descriptor.as_ref()?.platform.as_ref()?;
        let own = child.config.as_ref()?.facts.platform.as_ref();
        let same = own.is_some_and(|own| own.os == listed.os && own.architecture == listed.architecture);
        let expected = format!("{} {}: the image's configuration says so too", publication.name(), listed.name());
        (!same).then(|| {
            Violation::new(
                expected,
                own.map_or_else(|| "it says nothing".into(), |own| format!("it says {}", own.name())),
            )
        })
    };
    each_image(evidence, disagrees)
}

/// The machine in the header of every executable that the entry point and the health check reach.
fn right_machine(evidence: &Evidence) -> Judgement {
    if !publications(evidence)?.iter().any(|it| it.platforms().any(|child| child.executables.is_some())) {
        return Err(Inconclusive("no image's layers could be read".into()));
    }
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        for child in publication.platforms() {
            for executable in child.unusable_executables() {
                let expected =
                    format!("{} {}: {} runs there", publication.name(), child.platform_name(), executable.path);
                violations.push(Violation::new(expected, format!("it is {:?}", executable.kind)));
            }
        }
    }
    Ok(violations)
}

fn each_image(evidence: &Evidence, wrong: impl Fn(&Publication, &Child) -> Option<Violation>) -> Judgement {
    let mut violations = Vec::new();
    let mut seen = false;
    for publication in publications(evidence)? {
        for child in publication.platforms() {
            seen = true;
            violations.extend(wrong(publication, child));
        }
    }
    if seen { Ok(violations) } else { Err(Inconclusive("no image could be read".into())) }
}
