//! The catalogue: what a publishing pipeline promises, by number. The only place where the texts stand.
//!
//! Checks, reports and commit messages refer to these numbers. Where a text leaves something open, the decision stands
//! in `docs/decisions.md`.

use serde::Serialize;

/// One promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Its number: `FR-001` (what the pipeline does) or `SC-001` (by what its success is measured).
    pub id: &'static str,
    /// What it says.
    pub text: &'static str,
}

const fn requirement(id: &'static str, text: &'static str) -> Requirement {
    Requirement { id, text }
}

/// All of them, in order.
pub const REQUIREMENTS: &[Requirement] = &[
    requirement("FR-001", "every push to main starts a build"),
    requirement("FR-002", "every pushed version tag starts a build"),
    requirement("FR-003", "each build covers linux/amd64 and linux/arm64"),
    requirement("FR-004", "builds are rootless: podman is run by an unprivileged user"),
    requirement("FR-005", "images are published to Docker Hub"),
    requirement("FR-006", "images are published to GitHub Container Registry"),
    requirement("FR-007", "a build of main is tagged latest"),
    requirement("FR-008", "a build of the tag v1.2.0 is tagged 1.2.0"),
    requirement("FR-009", "the image that was latest before is removed; nothing accumulates under latest"),
    requirement("FR-010", "images have Docker's format, not OCI's, so that HEALTHCHECK survives"),
    requirement("FR-011", "each published tag is one multi-architecture manifest list"),
    requirement("FR-012", "the repository's Containerfile is the build's specification"),
    requirement("FR-013", "Docker Hub's credentials come from the secrets DOCKERHUB_USERNAME and DOCKERHUB_TOKEN"),
    requirement("FR-014", "GHCR is authenticated with the workflow's GitHub token"),
    requirement("FR-015", "success and failure are visible in the GitHub repository: status, summary, annotations"),
    requirement("FR-016", "a build can be started by hand, and never deletes anything"),
    requirement("FR-017", "if any architecture fails to build, nothing is published anywhere"),
    requirement("FR-018", "a failed registry operation is tried at most 3 times with exponential backoff"),
    requirement("FR-019", "cleaning up a latest that is not there is a warning, not an error"),
    requirement("FR-020", "a newer build of the same ref cancels the one in progress"),
    requirement("FR-021", "a version tag that is not v<major>.<minor>.<patch> fails at once and says what is expected"),
    requirement("SC-001", "pushing to main is all that a deployment takes"),
    requirement("SC-002", "images can be pulled from both registries"),
    requirement("SC-003", "the same tag works on amd64 and on arm64 hosts"),
    requirement("SC-004", "a clean build takes 3 minutes at most, the push to one registry 1 minute"),
    requirement("SC-005", "a cached build takes 2 minutes at most, and at most half of the clean build's time"),
    requirement("SC-006", "exactly one latest exists in each registry at any time"),
    requirement("SC-007", "version-tagged images stay available indefinitely"),
    requirement("SC-008", "every build yields both architectures or nothing"),
    requirement("SC-009", "a failure shows in GitHub within a minute"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_complete_and_in_order() {
        let functional = (1..=21).map(|number| format!("FR-{number:03}"));
        let criteria = (1..=9).map(|number| format!("SC-{number:03}"));
        let expected: Vec<String> = functional.chain(criteria).collect();
        assert_eq!(REQUIREMENTS.iter().map(|requirement| requirement.id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_text_is_a_sentence_of_its_own() {
        let texts: std::collections::HashSet<_> = REQUIREMENTS.iter().map(|requirement| requirement.text).collect();
        assert_eq!(texts.len(), REQUIREMENTS.len());
        assert!(texts.iter().all(|text| !text.ends_with('.') && text.len() > 20));
    }
}
