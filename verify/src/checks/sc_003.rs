//! SC-003: the same tag works on amd64 and on arm64 hosts.

use super::{images::containers, prelude::*};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::container("every_image_runs_on_its_platform", &["SC-003", "FR-003"], runs)];

/// Each image, run for a platform, must find itself on that platform's machine.
fn runs(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (platform, machine) in PLATFORMS.into_iter().zip(["x86_64", "aarch64"]) {
        let runs: Vec<_> = containers(evidence)?.iter().filter(|it| it.platform == platform).collect();
        violations.extend(unless(!runs.is_empty(), format!("some image is run for {platform}"), "none was"));
        for it in runs {
            let expected = format!("{}:{} runs on {platform} as {machine}", it.server, it.reference);
            violations.extend(unless(it.machine.as_deref() == Some(machine), expected, format!("{:?}", it.machine)));
        }
    }
    Ok(violations)
}
