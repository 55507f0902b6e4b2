//! SC-008: every build yields both architectures or nothing.

use super::{
    images::{covers_platforms, usual},
    prelude::*,
};
use crate::client::Sample;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("nobody_ever_sees_half_an_image", &["SC-008", "SC-006"], Scenario::Releases, never_half),
    Check::pipeline("no_build_leaves_another_number_of_images_than_two", &["SC-008"], Scenario::Releases, two_each),
];

/// Every list that was ever seen under `latest` names both platforms.
fn never_half(evidence: &Evidence) -> Judgement {
    let mut violations = never_seen(evidence)?;
    let named = |sample: &Sample, platform: &str| sample.platforms.iter().any(|it| usual(it) == platform);
    for (sample, digest) in evidence.samples_of("latest").into_iter().filter_map(|it| Some((it, it.digest.as_ref()?))) {
        let both = PLATFORMS.iter().all(|platform| named(sample, platform));
        let seen = format!("{digest} with {:?}, {} ms after the start", sample.platforms, sample.at_ms);
        violations.extend(unless(both, format!("{}:latest always has both platforms", sample.server), seen));
    }
    violations.dedup_by(|a, b| a.expected == b.expected);
    Ok(violations)
}

/// The tag of each run names one image for each platform. Attestations are no images.
fn two_each(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (name, tag) in RELEASES {
        violations.extend(covers_platforms(evidence, name, tag)?);
    }
    Ok(violations)
}
