//! The two files: a workflow of some lines that calls Tallyman's own, and `publish.toml` with what differs from the defaults.

use toml::Value;

use super::{
    pin::Pin,
    survey::{Survey, has_own_secrets},
};
use crate::{config::CONTAINERFILES, plan::MAIN_BRANCH};

const CONFIGURATION_HEAD: &str = "\
# What Tallyman publishes, where it differs from the defaults: the image is called as the repository, is built from the
# Containerfile (or Dockerfile) in the root for linux/amd64 and linux/arm64, and goes to ghcr.io and docker.io.";

/// The workflow's text.
pub(super) fn workflow(survey: &Survey, pin: &Pin) -> String {
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

/// The configuration's text.
pub(super) fn configuration(survey: &Survey, pin: &Pin) -> String {
    let all = format!("# All keys: https://github.com/{}/blob/HEAD/docs/configuration.md", pin.repository);
    let mut lines = vec![CONFIGURATION_HEAD.to_owned(), all];
    if survey.renamed {
        lines.extend([String::new(), set("image", &survey.image)]);
    }
    if let Some((folder, _)) = survey.containerfile.rsplit_once('/') {
        lines.extend([String::new(), set("containerfile", &survey.containerfile)]);
        lines.push("# What it copies is looked for here; \".\" is the whole repository.".to_owned());
        lines.push(set("context", folder));
    } else if !CONTAINERFILES.contains(&survey.containerfile.as_str()) {
        lines.extend([String::new(), set("containerfile", &survey.containerfile)]);
    }
    for registry in survey.registries.iter().filter(|_| survey.has_own_registries) {
        lines.extend([String::new(), "[[registry]]".to_owned(), set("name", &registry.name)]);
        lines.push(set("repository", &registry.repository.to_string()));
        if has_own_secrets(&registry.repository.host) {
            lines.push("# The names of the secrets, which the workflow hands on.".to_owned());
            lines.extend([set("username-env", "REGISTRY_USERNAME"), set("password-env", "REGISTRY_TOKEN")]);
        }
    }
    lines.join("\n") + "\n"
}

fn set(key: &str, value: &str) -> String {
    format!("{key} = {}", Value::from(value))
}
