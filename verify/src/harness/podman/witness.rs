//! What users get: images pulled by podman, from each registry for each platform, run, and asked how they are.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{PodmanHost, command::podman};
use crate::{
    client::{IDENTITY_TOKEN_USER, Repository},
    harness::HarnessError,
};

/// How often a container's health is asked for.
const HEALTH_LOOKS: u32 = 40;
/// The time between two such looks: podman has nobody who tells when a container turns healthy.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What podman made of one reference.
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
    /// On which machine it found itself.
    pub machine: Option<String>,
    /// `healthy`, or what its health check said last; none if it has none.
    pub health: Option<String>,
}

/// A podman host that pulls and runs. It knows no image beforehand, and forgets each that it saw: everything is fetched each
/// time.
#[derive(Debug)]
pub struct Witness {
    host: PodmanHost,
    environment: BTreeMap<String, String>,
    /// What was seen of images so far, by id: machine and health.
    seen: BTreeMap<String, (Option<String>, Option<String>)>,
}

impl Witness {
    /// A witness below a new folder, who may read some places.
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
        Ok(Self { host, environment, seen: BTreeMap::new() })
    }

    /// Pulls a reference for a platform, runs it with an argument that lets it tell its machine, and asks for its health. An
    /// image that was seen before is pulled again, but not run again.
    ///
    /// # Errors
    /// podman that is missing or hangs; what an image does wrong is told.
    pub async fn see(
        &mut self,
        place: &Repository,
        reference: &str,
        platform: &str,
        argument: &str,
    ) -> Result<ContainerRun, HarnessError> {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let name = format!("{}/{}{separator}{reference}", place.host, place.name);
        let mut arguments = ["pull", "--quiet", "--platform", platform].map(str::to_owned).to_vec();
        arguments.extend(self.trust(place)?);
        arguments.push(name);
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
            if !self.seen.contains_key(id) {
                let seen = (self.machine(id, argument).await?, self.health(id).await?);
                self.seen.insert(id.clone(), seen);
            }
            (run.machine, run.health) = self.seen[id].clone();
            podman(&self.environment, &["rmi", "--force", id]).await?.ok("remove an image")?;
        }
        Ok(run)
    }

    /// The options by which podman trusts a place's own CA and nobody else (containers-certs.d(5)). On this machine it would
    /// otherwise take any certificate.
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
        for _ in 0..HEALTH_LOOKS {
            let look = podman(&self.environment, &["healthcheck", "run", container]).await?;
            if look.success {
                return Ok(Some("healthy".to_owned()));
            }
            said = format!("{} {}", look.stdout, look.stderr);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(Some(said.trim().to_owned()))
    }
}
