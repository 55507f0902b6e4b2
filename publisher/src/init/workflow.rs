//! The workflow: some lines that call Tallyman's own.

use super::{Pin, Survey};
use crate::plan::MAIN_BRANCH;

/// Where it stands in a repository.
pub const PATH: &str = ".github/workflows/build-images.yml";

/// The workflow's text.
pub fn workflow(survey: &Survey, pin: &Pin) -> String {
    let Survey { branch, .. } = survey;
    let Pin { repository, commit, release } = pin;
    let comment = release.as_ref().map(|release| format!(" # {release}")).unwrap_or_default();
    let with = if branch == MAIN_BRANCH { String::new() } else { format!("    with: {{ main_branch: {branch} }}\n") };
    let secret = |name: &&str| format!("      {name}: ${{{{ secrets.{name} }}}}\n");
    let secrets = survey.secrets().iter().map(secret).collect::<Vec<_>>().concat();
    let secrets = if secrets.is_empty() { secrets } else { format!("    secrets:\n{secrets}") };
    format!(
        "\
# Publishes the image of this repository: a push to {branch} as latest, the tag v1.2.3 as 1.2.3, on all registries or on none.
# A pull request is built for all platforms, and nothing is published.
name: build-images
on:
  push: {{ branches: [{branch}], tags: [\"v*\"] }}
  pull_request:
  workflow_dispatch:
    inputs:
      tag_name: {{ type: string, description: The tag to publish under; manual-<short sha> if empty }}
      platforms: {{ type: string, description: \"Which platforms to build, such as linux/arm64; all if empty\" }}
      skip_push: {{ type: boolean, description: Build and publish nothing }}
permissions: {{}}
jobs:
  publish:
    permissions: {{ contents: read, packages: write }}
    uses: {repository}/.github/workflows/publish.yml@{commit}{comment}
{with}{secrets}"
    )
}
