//! Whether everybody who can read the source can pull what was published. A new package on GHCR may be private although its
//! repository is public, which nobody notices who is logged in.

use std::time::Duration;

use serde::Deserialize;

use super::{connect::Connector, session::Session};
use crate::{
    auth::Credential,
    config::{DriverKind, RegistryConfig},
    event::Event,
    oci::Digest,
};

/// How long is waited for an answer that changes nothing about the run.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// How registries answer those who may not know that something is there.
const HIDDEN: [u16; 3] = [401, 403, 404];

/// The event's file, as far as it tells of the repository.
#[derive(Deserialize)]
struct Trigger {
    repository: Repository,
}

#[derive(Deserialize)]
struct Repository {
    private: bool,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    r#type: String,
}

/// Warns of each package on GitHub that is private while its repository is public. Whatever cannot be found out is passed
/// over.
pub(super) async fn check(session: &Session, digest: &Digest) {
    let Some(owner) = owner_of_public(session) else { return };
    let of_github = session.config.registries.iter().filter(|registry| registry.driver == DriverKind::GitHub);
    for registry in of_github {
        if tokio::time::timeout(PROBE_MAX, is_hidden(session, registry, digest)).await == Ok(Some(true)) {
            session.events().event(Event::Warning(format!(
                "{} is private although its repository is public: only those who are logged in can pull it\n\
                 hint: change its visibility at {}",
                registry.repository,
                settings(session, registry, &owner)
            )));
        }
    }
}

/// The owner of the repository that the run is for, if that is public.
fn owner_of_public(session: &Session) -> Option<Owner> {
    let event = std::fs::read(session.environment.get("GITHUB_EVENT_PATH")?).ok()?;
    let Trigger { repository } = serde_json::from_slice(&event).ok()?;
    (!repository.private).then_some(repository.owner)
}

/// Whether somebody who is not logged in is refused what was just published.
async fn is_hidden(session: &Session, config: &RegistryConfig, digest: &Digest) -> Option<bool> {
    let connector = Connector::new(&session.environment, &session.config, session.events()).ok()?;
    let stranger = connector.registry_as(config, Credential::Anonymous).ok()?;
    match stranger.has_manifest(digest).await {
        Ok(seen) => Some(!seen),
        Err(error) => Some(HIDDEN.contains(&error.cause.refusal()?.status)),
    }
}

/// The page where a package's visibility is changed.
fn settings(session: &Session, registry: &RegistryConfig, owner: &Owner) -> String {
    let server = session.environment.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let owners = if owner.r#type == "Organization" { "orgs" } else { "users" };
    let (name, package) = registry.repository.name.split_once('/').unwrap_or_default();
    format!("{server}/{owners}/{name}/packages/container/{}/settings", package.replace('/', "%2F"))
}
