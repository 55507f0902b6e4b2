//! `publish.toml`: only what differs from the defaults.

use toml::Value;

use super::{Destination, Pin, Survey, containerfile::NAMES, survey::is_stranger};

const HEAD: &str = "\
# What Tallyman publishes, where it differs from the defaults: the image is called as the repository, is built from the
# Containerfile (or Dockerfile) in the root for linux/amd64 and linux/arm64, and goes to ghcr.io and docker.io.";

/// The configuration's text.
pub fn configuration(survey: &Survey, pin: &Pin) -> String {
    let all = format!("# All keys: https://github.com/{}/blob/HEAD/docs/configuration.md", pin.repository);
    let mut lines = vec![HEAD.to_owned(), all];
    if survey.renamed {
        lines.extend([String::new(), set("image", &survey.image)]);
    }
    if let Some((folder, _)) = survey.containerfile.rsplit_once('/') {
        lines.extend([String::new(), set("containerfile", &survey.containerfile)]);
        lines.push("# What it copies is looked for here; \".\" is the whole repository.".to_owned());
        lines.push(set("context", folder));
    } else if !NAMES.contains(&survey.containerfile.as_str()) {
        lines.extend([String::new(), set("containerfile", &survey.containerfile)]);
    }
    for Destination { name, repository } in &survey.destinations {
        lines.extend([String::new(), "[[registry]]".to_owned(), set("name", name)]);
        lines.push(set("repository", &repository.to_string()));
        if is_stranger(&repository.host) {
            lines.push("# The names of the secrets, which the workflow hands on.".to_owned());
            lines.extend([set("username-env", "REGISTRY_USERNAME"), set("password-env", "REGISTRY_TOKEN")]);
        }
    }
    lines.join("\n") + "\n"
}

fn set(key: &str, value: &str) -> String {
    format!("{key} = {}", Value::from(value))
}
