//! SC-003: the same tag works on amd64 and on arm64 hosts.

use super::support::{PLATFORMS, containers};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::Violation,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] =
    &[Check::container("every_image_runs_on_its_platform", &["SC-003", "FR-003"], runs)];

/// Each image, run for a platform, must find itself on that platform's machine.
fn runs(evidence: &Evidence) -> Judgement {
    let containers = containers(evidence)?;
    let mut violations = Vec::new();
    for platform in PLATFORMS {
        let machine = if platform == "linux/amd64" { "x86_64" } else { "aarch64" };
        for container in containers.iter().filter(|it| it.platform == platform) {
            if container.machine.as_deref() != Some(machine) {
                let expected = format!("{}:{} runs on {platform} as {machine}", container.server, container.reference);
                violations.push(Violation::new(expected, format!("{:?}", container.machine)));
            }
        }
        if !containers.iter().any(|it| it.platform == platform) {
            violations.push(Violation::new(format!("some image is run for {platform}"), "none was"));
        }
    }
    Ok(violations)
}
