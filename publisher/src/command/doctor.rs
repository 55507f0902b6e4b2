//! `publisher doctor`: the machine, and who we are to the registries.

use std::path::Path;

use super::session::credential_names;
use crate::{
    auth,
    config::{Config, Overrides, load},
    doctor::{Diagnosis, Finding, Status, examine, examine_development},
    environment::Environment,
    oci::Platform,
};

/// Looks at everything a publish needs; `development` adds what working on Tallyman needs. Without a configuration that
/// can be read, the default platforms are looked after, and the configuration is a finding of its own.
pub async fn doctor(environment: &Environment, overrides: &Overrides, development: bool) -> Diagnosis {
    let folder = std::env::current_dir().unwrap_or_default();
    let mut environment = environment.clone();
    let (platforms, about_registries) = match load(&folder, overrides, &environment) {
        Ok(config) => {
            environment = environment.withholding(config.passwords());
            (config.platforms.clone(), credentials(&environment, &config).await)
        }
        Err(error) => (default_platforms(), vec![unread(&folder, &error.to_string(), error.hint())]),
    };
    let Diagnosis { mut findings, .. } = examine(&environment, &platforms).await;
    findings.extend(about_registries);
    if development {
        findings.extend(examine_development(&environment));
    }
    findings.into()
}

/// Where the credentials of each registry come from; never what they are.
async fn credentials(environment: &Environment, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for registry in &config.registries {
        let finding = |status, detail, mend| Finding { name: registry.name.clone(), status, detail, mend };
        let found = auth::find(environment, &registry.repository, credential_names(registry)).await;
        findings.push(match found {
            Ok(found) if !found.credential.is_anonymous() || registry.repository.host.is_loopback() => {
                finding(Status::Ok, format!("{}, credentials: {}", registry.repository, found.origin), None)
            }
            Ok(found) => finding(
                Status::Warning,
                format!("{}, credentials: {}", registry.repository, found.origin),
                Some(format!("set the variables, or podman login {}", registry.repository.host)),
            ),
            Err(error) => finding(Status::Warning, error.to_string(), error.hint()),
        });
    }
    findings
}

fn unread(folder: &Path, error: &str, hint: Option<String>) -> Finding {
    let detail = format!("{}: {error}", folder.display());
    Finding { name: "configuration".into(), status: Status::Warning, detail, mend: hint }
}

fn default_platforms() -> Vec<Platform> {
    crate::config::DEFAULT_PLATFORMS.iter().filter_map(|text| text.parse().ok()).collect()
}
