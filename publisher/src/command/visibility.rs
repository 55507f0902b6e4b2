//! Whether everybody who can read the source can pull what was published. A new package on GHCR may be private although its
//! repository is public, which a logged-in user does not notice.

use std::time::Duration;

use serde_json::Value;

use super::run::Run;
use crate::{
    auth::Credential,
    config::{DriverKind, RegistryConfig},
    oci::Digest,
};

/// How long to wait for an answer that changes nothing about the run.
const PROBE_MAX: Duration = Duration::from_secs(10);

/// Warns of each package on GitHub that is private while its repository is public. An answer that cannot be had is ignored.
pub(super) async fn check(run: &Run, digest: &Digest) {
    let Some(owner_type) = owner_of_public_repository(run) else { return };
    for registry in run.config.registries.iter().filter(|registry| registry.driver == DriverKind::GitHub) {
        if tokio::time::timeout(PROBE_MAX, is_hidden(run, registry, digest)).await == Ok(Some(true)) {
            run.warn(format!(
                "{} is private although its repository is public: only those who are logged in can pull it\n\
                 hint: change its visibility at {}",
                registry.repository,
                settings_page(run, registry, &owner_type)
            ));
        }
    }
}

/// What kind of account owns the repository that the run is for, if the event's file says that it is public.
fn owner_of_public_repository(run: &Run) -> Option<String> {
    let event = std::fs::read(run.environment.get("GITHUB_EVENT_PATH")?).ok()?;
    let event: Value = serde_json::from_slice(&event).ok()?;
    let repository = &event["repository"];
    if repository["private"].as_bool()? {
        return None;
    }
    repository["owner"]["type"].as_str().map(Into::into)
}

/// Whether an anonymous client is refused what was just published.
async fn is_hidden(run: &Run, config: &RegistryConfig, digest: &Digest) -> Option<bool> {
    let anonymous = run.connector.registry_as(config, Credential::Anonymous).ok()?;
    match anonymous.has_manifest(digest).await {
        Ok(found) => Some(!found),
        // So registries answer those who may not know that something is there.
        Err(error) => Some(matches!(error.cause.refusal()?.status, 401 | 403 | 404)),
    }
}

/// The page where a package's visibility is changed.
fn settings_page(run: &Run, registry: &RegistryConfig, owner_type: &str) -> String {
    let server = run.environment.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let owners = if owner_type == "Organization" { "orgs" } else { "users" };
    let (name, package) = registry.repository.name.split_once('/').unwrap_or_default();
    format!("{server}/{owners}/{name}/packages/container/{}/settings", package.replace('/', "%2F"))
}
