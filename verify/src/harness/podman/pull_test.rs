//! The pull test: podman pulls an image from a registry for a platform, runs it, and runs its health check.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{PodmanHost, command::podman};
use crate::{
    client::{IDENTITY_TOKEN_USER, Repository},
    harness::HarnessError,
};

/// How often a health check is run at most.
const HEALTH_CHECKS_MAX: u32 = 40;
/// The time between two health checks.
const BETWEEN_CHECKS: Duration = Duration::from_millis(250);

/// What came of pulling and running one reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// The registry's name.
    pub server: String,
    /// The tag or digest.
    pub reference: String,
    /// For which platform.
    pub platform: String,
    /// The image's id, or why it could not be pulled.
    pub pulled: Result<String, String>,
    /// The machine that it runs on, as it says itself.
    pub machine: Option<String>,
    /// `healthy`, or the last output of its health check; none if it has none.
    pub health: Option<String>,
}

/// A podman host that pulls and runs. It removes each image afterwards, so everything is pulled each time.
#[derive(Debug)]
pub struct PullTest {
    host: PodmanHost,
    environment: BTreeMap<String, String>,
    /// Machine and health of the images that were run, by id.
    known: BTreeMap<String, (Option<String>, Option<String>)>,
}

impl PullTest {
    /// One below a new folder, with the logins for some repositories.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn new(folder: &Path, places: &[Repository]) -> Result<Self, HarnessError> {
        let host = PodmanHost::empty(folder)?;
        let entry = |place: &Repository| {
            let account = place.credentials.as_ref()?;
            if account.user == IDENTITY_TOKEN_USER {
                return Some((
                    place.host.clone(),
                    json!({ "auth": STANDARD.encode(format!("{IDENTITY_TOKEN_USER}:")), "identitytoken": account.password }),
                ));
            }
            let auth = STANDARD.encode(format!("{}:{}", account.user, account.password));
            Some((place.host.clone(), json!({ "auth": auth })))
        };
        let entries: serde_json::Map<_, _> = places.iter().filter_map(entry).collect();
        let file = host.auth_file();
        fs::write(&file, json!({ "auths": entries }).to_string()).map_err(HarnessError::at("write", &file))?;
        let environment = host.environment();
        Ok(Self { host, environment, known: BTreeMap::new() })
    }

    /// Pulls a reference for a platform, runs it with an argument that makes it print its machine, and runs its health check. An
    /// image that was run before is pulled again, but not run again.
    ///
    /// # Errors
    /// podman that is missing or hangs. Failures of the image are part of the result.
    pub async fn run(
        &mut self,
        place: &Repository,
        reference: &str,
        platform: &str,
        argument: &str,
    ) -> Result<ContainerRun, HarnessError> {
        let mut arguments = ["pull", "--quiet", "--platform", platform].map(str::to_owned).to_vec();
        arguments.extend(self.trust(place)?);
        arguments.push(place.reference(reference));
        let pull = podman(&self.environment, &arguments).await?;
        let mut run = ContainerRun {
            server: place.server.clone(),
            reference: reference.to_owned(),
            platform: platform.to_owned(),
            pulled: if pull.success { Ok(pull.stdout) } else { Err(pull.stderr) },
            machine: None,
            health: None,
        };
        if let Ok(id) = &run.pulled {
            if !self.known.contains_key(id) {
                let result = (self.machine(id, argument).await?, self.health(id).await?);
                self.known.insert(id.clone(), result);
            }
            (run.machine, run.health) = self.known[id].clone();
            podman(&self.environment, &["rmi", "--force", id]).await?.ok("remove an image")?;
        }
        Ok(run)
    }

    /// The options by which podman trusts a repository's own CA only (containers-certs.d(5)). On this machine it would otherwise
    /// accept any certificate.
    fn trust(&self, place: &Repository) -> Result<Vec<String>, HarnessError> {
        let Some(ca) = &place.ca else { return Ok(Vec::new()) };
        let folder = self.host.folder("certificates")?;
        fs::copy(ca, folder.join("ca.crt")).map_err(HarnessError::at("copy", ca))?;
        Ok(vec!["--tls-verify=true".to_owned(), format!("--cert-dir={}", folder.display())])
    }

    /// Removes all that it pulled.
    ///
    /// # Errors
    /// As [`PodmanHost::remove`].
    pub async fn remove(self) -> Result<(), HarnessError> {
        self.host.remove().await
    }

    async fn machine(&self, image: &str, argument: &str) -> Result<Option<String>, HarnessError> {
        let run =
            podman(&self.environment, &["run", "--rm", "--pull=never", "--network=none", image, argument]).await?;
        Ok(Some(if run.success { run.stdout } else { run.stderr }))
    }

    async fn health(&self, image: &str) -> Result<Option<String>, HarnessError> {
        let started = podman(&self.environment, &["run", "--detach", "--pull=never", "--network=none", image]).await?;
        if !started.success {
            return Ok(Some(started.stderr));
        }
        let container = started.stdout;
        let health = self.turns_healthy(&container).await;
        podman(&self.environment, &["rm", "--force", "--time=0", &container]).await?.ok("remove a container")?;
        health
    }

    async fn turns_healthy(&self, container: &str) -> Result<Option<String>, HarnessError> {
        let test = ["container", "inspect", "--format", "{{if .Config.Healthcheck}}yes{{end}}", container];
        if podman(&self.environment, &test).await?.ok("look at a container")? != "yes" {
            return Ok(None);
        }
        let mut said = String::new();
        for _ in 0..HEALTH_CHECKS_MAX {
            let look = podman(&self.environment, &["healthcheck", "run", container]).await?;
            if look.success {
                return Ok(Some("healthy".to_owned()));
            }
            said = format!("{} {}", look.stdout, look.stderr);
            tokio::time::sleep(BETWEEN_CHECKS).await;
        }
        Ok(Some(said.trim().to_owned()))
    }
}
