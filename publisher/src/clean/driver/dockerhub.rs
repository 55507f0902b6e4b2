//! Docker Hub: tags through its API, manifests through its registry.
//!
//! The API lists a hundred tags a request with the digests of their images, so tags that hold nothing of ours are never
//! read (reading counts as a pull). The registry itself refuses to delete what a tag or a list still names; that is
//! documented, and taken as a second net, never as the only one. Whether it deletes at all, and when, is less certain:
//! every answer has a meaning here.

mod listing;
mod session;

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use tokio::sync::Mutex;

use self::{listing::Known, session::Session};
use super::{Deletion, Stays, api::Api, delete_manifest};
use crate::{
    auth::{Credential, Secret},
    clean::CleanError,
    environment::Environment,
    oci::{Digest, Tag},
    registry::{Registry, RegistryError},
};

const VARIABLE: &str = "TALLYMAN_DOCKERHUB_API";
const ADDRESS: &str = "https://hub.docker.com";
const USERNAME: &str = "DOCKERHUB_USERNAME";
const TOKEN: &str = "DOCKERHUB_TOKEN";
const PERMISSION: &str = "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME with Read, Write & \
    Delete; Docker Hub also answers so as long as it takes the image for one that is still referenced";

/// The driver for one repository.
pub(in crate::clean) struct DockerHub {
    api: Api,
    login: Option<(String, Secret)>,
    namespace: String,
    repository: String,
    session: Mutex<Option<Session>>,
    known: Mutex<Option<Known>>,
    /// Whether something was deleted, which proves that we may.
    proven: AtomicBool,
}

impl DockerHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let login = match credential {
            Credential::Basic { username, password } => Some((username.clone(), password.clone())),
            Credential::Anonymous | Credential::IdentityToken(_) => {
                env.get(USERNAME).map(str::to_owned).zip(env.get(TOKEN).map(Secret::new))
            }
        };
        let secrets = login.iter().map(|(_, secret)| secret.expose().to_owned()).collect();
        let name = &registry.repository().name;
        let (namespace, repository) = name.split_once('/').unwrap_or(("library", name));
        Ok(Self {
            api: Api::new(VARIABLE, env.get(VARIABLE).unwrap_or(ADDRESS), secrets)?,
            login,
            namespace: namespace.into(),
            repository: repository.into(),
            session: Mutex::default(),
            known: Mutex::default(),
            proven: AtomicBool::new(false),
        })
    }

    /// Deletes a manifest on the registry.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        held: impl AsyncFnMut() -> Result<Option<Stays>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let error = match delete_manifest(registry, digest, held).await {
            Ok(settled) => {
                if matches!(settled, Ok(Deletion::Gone)) {
                    self.proven.store(true, Ordering::Relaxed);
                }
                return settled;
            }
            Err(error) => error,
        };
        match error.cause.refusal().map(|refusal| refusal.status) {
            // Whoever may delete a list may delete its images: Docker Hub still counts this one as referenced.
            Some(403) if self.proven.load(Ordering::Relaxed) => Ok(Deletion::Stays(Stays::InUse)),
            Some(500..) | None if error.cause.is_passing() => {
                // "May return 500. The system automatically retries in the background" (registry API, delete manifest).
                let there = registry.has_manifest(digest).await?;
                Ok(if there { Deletion::Stays(Stays::Later) } else { Deletion::Gone })
            }
            _ => Err(failed(registry, error)),
        }
    }

    /// Deletes a tag alone. The address is in use by Docker's own tools and nowhere documented, so there are two of it.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Deletion, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let paths = [
            format!("v2/repositories/{namespace}/{repository}/tags/{tag}/"),
            format!("v2/namespaces/{namespace}/repositories/{repository}/tags/{tag}"),
        ];
        let mut outcome = Deletion::Absent;
        for path in paths {
            let operation = format!("delete tag {tag}");
            let deleted =
                registry.attempts(&operation, async || match self.call(registry, Method::DELETE, &path).await {
                    Ok(answer) if answer.is_absent() => Ok(Deletion::Absent),
                    Ok(_) => Ok(Deletion::Gone),
                    Err(cause) => match cause.refusal() {
                        Some(refusal) if refusal.status == 405 => Ok(Deletion::Stays(Stays::Unsupported)),
                        Some(refusal) if refusal.message.to_ascii_lowercase().contains("immutable") => {
                            Ok(Deletion::Stays(Stays::Immutable))
                        }
                        _ => Err(cause),
                    },
                });
            outcome = deleted.await.map_err(|error| failed(registry, error))?;
            if matches!(outcome, Deletion::Gone | Deletion::Stays(Stays::Immutable)) {
                break;
            }
        }
        if outcome == Deletion::Gone {
            self.proven.store(true, Ordering::Relaxed);
            if let Some(known) = self.known.lock().await.as_mut() {
                known.tags.remove(tag);
            }
        }
        Ok(outcome)
    }
}

fn failed(registry: &Registry, error: RegistryError) -> CleanError {
    CleanError::of(error, registry.name(), PERMISSION)
}
