//! The workflow: some lines that call Tallyman's own.

use super::{InitError, Survey};
use crate::plan::MAIN_BRANCH;

/// Where it stands in a repository.
pub const PATH: &str = ".github/workflows/build-images.yml";

/// The digits of a commit's id.
const COMMIT_DIGITS: usize = 40;

/// At which commit Tallyman's workflow is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    commit: String,
    /// What people call that commit.
    release: Option<String>,
}

impl Pin {
    /// The commit that was given, else that of the release which this program is.
    ///
    /// # Errors
    /// When what was given is no commit, or neither is known.
    pub fn choose(given: Option<&str>) -> Result<Self, InitError> {
        match (given, option_env!("TALLYMAN_COMMIT")) {
            (Some(commit), _) => Self::of(commit, None),
            (None, Some(commit)) => Self::of(commit, Some(format!("v{}", env!("CARGO_PKG_VERSION")))),
            (None, None) => Err(InitError::NoPin),
        }
    }

    fn of(commit: &str, release: Option<String>) -> Result<Self, InitError> {
        let good = commit.len() == COMMIT_DIGITS && commit.bytes().all(|b| b.is_ascii_hexdigit());
        let pin = || Self { commit: commit.to_ascii_lowercase(), release };
        good.then(pin).ok_or_else(|| InitError::BadPin(commit.into()))
    }
}

/// The workflow's text.
pub fn workflow(survey: &Survey, pin: &Pin) -> String {
    let Survey { branch, .. } = survey;
    let comment = pin.release.as_ref().map(|release| format!(" # {release}")).unwrap_or_default();
    let commit = &pin.commit;
    let with = if branch == MAIN_BRANCH { String::new() } else { format!("    with: {{ main_branch: {branch} }}\n") };
    let secret = |name: &&str| format!("      {name}: ${{{{ secrets.{name} }}}}\n");
    let secrets = survey.secrets().iter().map(secret).collect::<Vec<_>>().concat();
    let secrets = if secrets.is_empty() { secrets } else { format!("    secrets:\n{secrets}") };
    format!(
        "\
# Publishes the image of this repository: a push to {branch} as latest, the tag v1.2.3 as 1.2.3, on all registries or on none.
name: build-images
on:
  push: {{ branches: [{branch}], tags: [\"v*\"] }}
  workflow_dispatch:
    inputs:
      tag_name: {{ type: string, description: The tag to publish under; manual-<short sha> if empty }}
      platforms: {{ type: string, description: \"Which platforms to build, such as linux/arm64; all if empty\" }}
      skip_push: {{ type: boolean, description: Build and publish nothing }}
permissions: {{}}
concurrency: {{ group: \"build-images-${{{{ github.ref }}}}\", cancel-in-progress: true }}
jobs:
  publish:
    permissions: {{ contents: read, packages: write }}
    uses: tallyman-dev/tallyman/.github/workflows/publish.yml@{commit}{comment}
{with}{secrets}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_whole_commit() {
        let commit = "0123456789ABCDEF0123456789abcdef01234567";
        assert_eq!(Pin::choose(Some(commit)).unwrap().commit, commit.to_lowercase());
        for bad in ["v1", "0123456", "main", ""] {
            assert!(matches!(Pin::choose(Some(bad)), Err(InitError::BadPin(_))), "{bad}");
        }
    }
}
