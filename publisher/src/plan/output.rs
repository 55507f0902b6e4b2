//! A plan for those who read it: the jobs that follow, people, programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Kind, Plan, decide::short_commit};
use crate::{
    config::{Config, RegistryConfig},
    environment::Environment,
    oci::Platform,
};

/// The variable that names the GitHub runner for linux/arm64, and the default.
const RUNNER_ARM64: (&str, &str) = ("TALLYMAN_RUNNER_ARM64", "ubuntu-26.04-arm");
/// The same for linux/amd64, and for all platforms that are emulated.
const RUNNER: (&str, &str) = ("TALLYMAN_RUNNER", "ubuntu-26.04");

/// What `verify live` expects of images with a health check.
const HEALTHCHECK_CLAIMS: [&str; 2] =
    ["fr_010::the_health_check_is_in_every_image", "fr_010::every_container_turns_healthy"];

/// The outputs of the planning job, one `name=value` a line, for the file that `GITHUB_OUTPUT` names.
///
/// No repository is among them: its name may contain a secret (`DOCKERHUB_USERNAME`), and GitHub drops such outputs. No
/// value can hold a line break, so none can pose as another output.
pub fn github_output(plan: &Plan, config: &Config, env: &Environment) -> String {
    let platforms: Vec<String> = plan.platforms.iter().map(ToString::to_string).collect();
    let include: Vec<Value> = plan.platforms.iter().map(|platform| matrix_entry(platform, env)).collect();
    let outputs = [
        ("tag", plan.tag.to_string()),
        ("kind", json!(plan.kind).as_str().unwrap_or_default().to_owned()),
        ("release", (plan.kind == Kind::Release).to_string()),
        ("platforms", json!(platforms).to_string()),
        ("matrix", json!({ "include": include }).to_string()),
        ("push", plan.push.to_string()),
        ("skip_push", (!plan.push).to_string()),
        ("waive", waived(config).join(" ")),
    ];
    outputs.map(|(name, value)| format!("{name}={value}\n")).concat()
}

/// What the owner says is not meant to be so, by the names that `verify live --waive` takes.
fn waived(config: &Config) -> &'static [&'static str] {
    if config.healthcheck { &[] } else { &HEALTHCHECK_CLAIMS }
}

fn matrix_entry(platform: &Platform, env: &Environment) -> Value {
    let shown = platform.to_string();
    let (variable, default) = if shown == "linux/arm64" { RUNNER_ARM64 } else { RUNNER };
    let runner = env.get(variable).unwrap_or(default);
    json!({ "platform": shown, "name": platform.short_name(), "runner": runner })
}

/// The plan for people, several lines.
pub fn text(plan: &Plan, config: &Config) -> String {
    let commit = short_commit(&plan.commit);
    let what = match plan.kind {
        Kind::Latest => "the main branch",
        Kind::Release => "a release",
        Kind::Manual => "a manual build",
        Kind::PullRequest => "a pull request",
    };
    let platforms = plan.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("{} as {}: {what} at {commit}\n  build {platforms}\n", config.image, plan.tag);
    if !plan.push {
        text.push_str("  publish nothing\n");
        return text;
    }
    for registry in &config.registries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  publish {}:{} ({})", registry.repository, plan.tag, registry.name);
    }
    text
}

/// The plan for programs: its fields, the image, and where it goes.
pub fn json(plan: &Plan, config: &Config) -> Value {
    let reference = |registry: &RegistryConfig| format!("{}:{}", registry.repository, plan.tag);
    let entries = config.registries.iter().map(|it| json!({ "name": it.name, "reference": reference(it) }));
    json!({
        "image": config.image,
        "tag": plan.tag,
        "kind": plan.kind,
        "commit": plan.commit,
        "platforms": plan.platforms,
        "push": plan.push,
        "registries": entries.collect::<Vec<_>>(),
        "waive": waived(config),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, load};

    fn config() -> Config {
        let folder = tempfile::tempdir().unwrap();
        let env = [("GITHUB_REPOSITORY", "Acme/Hello")].into_iter().collect();
        load(folder.path(), &Settings::default(), &env).unwrap()
    }

    fn plan(kind: Kind, tag: &str, platforms: &[&str]) -> Plan {
        Plan {
            tag: tag.parse().unwrap(),
            kind,
            platforms: platforms.iter().map(|text| text.parse().unwrap()).collect(),
            push: true,
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
        }
    }

    #[test]
    fn the_jobs_that_follow_get_their_outputs() {
        let latest = plan(Kind::Latest, "latest", &["linux/amd64", "linux/arm64"]);
        let env = Environment::default();
        insta::assert_snapshot!(github_output(&latest, &config(), &env), @r#"
        tag=latest
        kind=latest
        release=false
        platforms=["linux/amd64","linux/arm64"]
        matrix={"include":[{"platform":"linux/amd64","name":"amd64","runner":"ubuntu-26.04"},{"platform":"linux/arm64","name":"arm64","runner":"ubuntu-26.04-arm"}]}
        push=true
        skip_push=false
        waive=
    "#);
        let manual = Plan { push: false, ..plan(Kind::Manual, "try", &["linux/arm/v7", "linux/arm64"]) };
        let env = [("TALLYMAN_RUNNER", "big"), ("TALLYMAN_RUNNER_ARM64", "")].into_iter().collect();
        insta::assert_snapshot!(github_output(&manual, &Config { healthcheck: false, ..config() }, &env), @r#"
        tag=try
        kind=manual
        release=false
        platforms=["linux/arm/v7","linux/arm64"]
        matrix={"include":[{"platform":"linux/arm/v7","name":"arm-v7","runner":"big"},{"platform":"linux/arm64","name":"arm64","runner":"ubuntu-26.04-arm"}]}
        push=false
        skip_push=true
        waive=fr_010::the_health_check_is_in_every_image fr_010::every_container_turns_healthy
    "#);
        let release = plan(Kind::Release, "1.2.3", &["linux/amd64"]);
        let release = github_output(&release, &config(), &env);
        assert!(release.starts_with("tag=1.2.3\nkind=release\nrelease=true\n"), "{release}");
    }

    #[test]
    fn people_see_what_goes_where() {
        let latest = plan(Kind::Latest, "latest", &["linux/amd64", "linux/arm64"]);
        insta::assert_snapshot!(text(&latest, &config()), @r"
        acme/hello as latest: the main branch at 0123456
          build linux/amd64, linux/arm64
          publish ghcr.io/acme/hello:latest (ghcr)
          publish docker.io/acme/hello:latest (dockerhub)
    ");
        insta::assert_snapshot!(text(&Plan { push: false, ..latest }, &config()), @r"
        acme/hello as latest: the main branch at 0123456
          build linux/amd64, linux/arm64
          publish nothing
    ");
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let release = plan(Kind::Release, "1.2.3", &["linux/amd64"]);
        insta::assert_snapshot!(format!("{:#}", json(&release, &config())), @r#"
        {
          "image": "acme/hello",
          "tag": "1.2.3",
          "kind": "release",
          "commit": "0123456789abcdef0123456789abcdef01234567",
          "platforms": [
            "linux/amd64"
          ],
          "push": true,
          "registries": [
            {
              "name": "ghcr",
              "reference": "ghcr.io/acme/hello:1.2.3"
            },
            {
              "name": "dockerhub",
              "reference": "docker.io/acme/hello:1.2.3"
            }
          ],
          "waive": []
        }
    "#);
    }
}
