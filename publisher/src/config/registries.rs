//! Where the image goes: the configured registries, the flags that replace them, the defaults.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Serialize;

use super::{
    CacheConfig,
    settings::{RegistryTable, Text},
    sources::{Sources, given},
    values::{refusal, registry_name, split, variable_name},
};
use crate::{exit::Failure, oci::Repository};

const FLAG_HINT: &str = "write name=host/repository, for example ghcr=ghcr.io/acme/hello";
const PAIR_HINT: &str = "give both `username-env` and `password-env`, or neither to use the machine's auth files";
const NAMESPACE_HINT: &str = "give the user or organisation on Docker Hub that the image belongs to, such as acme";
const DRIVER_HINT: &str =
    "give `github` (GitHub Packages), `dockerhub` (Docker Hub's API), `distribution` (DELETE by digest) or `none`";
const DRIVER_FLAG_HINT: &str = "write name=driver, for example ghcr=github";
const NO_IMAGE_HINT: &str = "write `image = \"owner/name\"` in publish.toml, or give `--image owner/name`";

/// One registry to publish to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The short name, `[a-z0-9][a-z0-9-]*`, unique; it is part of the hand-over files' names.
    pub name: String,
    /// The repository.
    pub repository: Repository,
    /// Whether to speak HTTP without TLS.
    pub plain_http: bool,
    /// The variables that hold the credentials; without them only auth files are used.
    pub secrets: Option<SecretNames>,
    /// The interface through which superseded images are removed.
    pub driver: DriverKind,
}

/// The names of the environment variables that hold a registry's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNames {
    /// The variable with the user name.
    pub username: String,
    /// The variable with the password or token.
    pub password: String,
}

/// The interface through which a registry's images are listed and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum DriverKind {
    /// GitHub Packages: the registry itself deletes nothing.
    GitHub,
    /// Docker Hub's API for tags, its registry for manifests.
    DockerHub,
    /// The distribution API alone: `DELETE` by digest.
    Distribution,
    /// Nothing is ever removed.
    #[default]
    None,
}

impl DriverKind {
    fn parse(text: &str) -> Result<Self, Failure> {
        Self::from_str(text, false).map_err(|_| refusal(format!("`{text}` is no driver"), DRIVER_HINT))
    }

    /// The name in configurations and results.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl RegistryConfig {
    /// A registry with the defaults for its host.
    pub(super) fn new(name: impl Into<String>, repository: Repository) -> Self {
        let host = &repository.host;
        // Nothing is removed from an unknown registry.
        let (driver, secrets) = if host.is_ghcr() {
            (DriverKind::GitHub, Some(("GITHUB_ACTOR", "GITHUB_TOKEN")))
        } else if host.is_docker_hub() {
            (DriverKind::DockerHub, Some(("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN")))
        } else if host.is_loopback() {
            (DriverKind::Distribution, None)
        } else {
            (DriverKind::None, None)
        };
        let names =
            |(username, password): (&str, &str)| SecretNames { username: username.into(), password: password.into() };
        Self { name: name.into(), plain_http: host.is_loopback(), secrets: secrets.map(names), driver, repository }
    }

    /// The variables with user name and password.
    pub fn secret_names(&self) -> Option<(&str, &str)> {
        self.secrets.as_ref().map(|names| (names.username.as_str(), names.password.as_str()))
    }

    /// Takes over what a table of the file says besides name and repository.
    fn with_table(mut self, sources: &Sources<'_>, table: &RegistryTable) -> Result<Self, Failure> {
        let variable =
            |key, text: &Option<Text>| text.as_ref().map(|text| sources.parse(key, text, variable_name)).transpose();
        let username = variable("username-env", &table.username_env)?;
        let password = variable("password-env", &table.password_env)?;
        let (default_username, default_password) = self.secrets.map(|it| (it.username, it.password)).unzip();
        self.secrets = match (username.or(default_username), password.or(default_password)) {
            (Some(username), Some(password)) => Some(SecretNames { username, password }),
            (None, None) => None,
            _ => {
                let problem = "the registry has only one of `username-env` and `password-env`";
                return sources.parse("name", &table.name, |_| Err(refusal(problem, PAIR_HINT)));
            }
        };
        if let Some(driver) = &table.driver {
            self.driver = sources.parse("driver", driver, DriverKind::parse)?;
        }
        self.plain_http = table.plain_http.unwrap_or(self.plain_http);
        Ok(self)
    }
}

/// The registries that flags name, else those of the file, else the two default ones.
pub(super) fn registries(sources: &Sources<'_>, image: Option<&str>) -> Result<Vec<RegistryConfig>, Failure> {
    let tables = &sources.file.registry_tables;
    let mut configured = Vec::new();
    for table in tables {
        let name = sources.parse("name", &table.name, |text| new_name(text, &configured))?;
        let repository = sources.parse("repository", &table.repository, |text| new_repository(text, &configured))?;
        configured.push(RegistryConfig::new(name, repository).with_table(sources, table)?);
    }
    // The file's list is checked even where flags replace it: a mistake in it would show on the day the flag goes.
    let flags = given(&sources.flags.registries);
    if !flags.is_empty() {
        configured.clear();
    }
    for flag in flags {
        let registry = sources.parse("registry", flag, |text| {
            let (name, repository) = split(text, FLAG_HINT)?;
            let repository = new_repository(repository, &configured)?;
            Ok(RegistryConfig::new(new_name(name, &configured)?, repository))
        })?;
        configured.push(match tables.iter().find(|table| table.name.value == registry.name) {
            Some(table) => registry.with_table(sources, table)?,
            None => registry,
        });
    }
    match image {
        _ if !configured.is_empty() => Ok(configured),
        Some(image) => by_default(sources, image),
        None => Err(refusal("the image has no name", NO_IMAGE_HINT)),
    }
}

/// A short name that no earlier registry has.
fn new_name(text: &str, earlier: &[RegistryConfig]) -> Result<String, Failure> {
    if earlier.iter().any(|registry| registry.name == text) {
        return Err(Failure::other(format!("registry {text} is given twice")));
    }
    registry_name(text)
}

/// A repository that no earlier registry has.
fn new_repository(text: &str, earlier: &[RegistryConfig]) -> Result<Repository, Failure> {
    let repository = text.parse::<Repository>().map_err(Failure::other)?;
    if earlier.iter().any(|registry| registry.repository == repository) {
        return Err(Failure::other(format!("repository {repository} is given twice")));
    }
    Ok(repository)
}

/// GitHub's registry and Docker Hub, each with the repository that derives from the image's name.
///
/// On Docker Hub the image's owner is the namespace, if none is given. The user in `DOCKERHUB_USERNAME` is not used for it:
/// GitHub masks a secret wherever it occurs, so a repository named after one would be unreadable in logs and lost in outputs.
fn by_default(sources: &Sources<'_>, image: &str) -> Result<Vec<RegistryConfig>, Failure> {
    let (owner, name) = (image.split('/').next().unwrap_or(image), image.rsplit('/').next().unwrap_or(image));
    let in_namespace = |namespace: &str| {
        let namespace = namespace.to_ascii_lowercase();
        let hub = format!("docker.io/{namespace}/{name}").parse().ok().filter(|_| !namespace.contains('/'));
        hub.ok_or_else(|| refusal(format!("`{namespace}` is not a namespace on Docker Hub"), NAMESPACE_HINT))
    };
    let hub = sources.value("dockerhub-namespace", |settings| settings.dockerhub_namespace.as_ref(), in_namespace)?;
    let hub = hub.map_or_else(|| in_namespace(owner), Ok)?;
    let ghcr = new_repository(&format!("ghcr.io/{image}"), &[])?;
    Ok(vec![RegistryConfig::new("ghcr", ghcr), RegistryConfig::new("dockerhub", hub)])
}

/// Chooses the drivers that `--driver` names.
pub(super) fn choose_drivers(sources: &Sources<'_>, registries: &mut [RegistryConfig]) -> Result<(), Failure> {
    for flag in given(&sources.flags.drivers) {
        sources.parse("driver", flag, |text| {
            let (name, driver) = split(text, DRIVER_FLAG_HINT)?;
            let driver = DriverKind::parse(driver)?;
            let mut named = registries.iter_mut().filter(|registry| registry.name == name);
            let unknown = || refusal(format!("`{name}` is not the name of a registry"), DRIVER_FLAG_HINT);
            named.next().ok_or_else(unknown)?.driver = driver;
            Ok(())
        })?;
    }
    Ok(())
}

/// Switches TLS off for the hosts that `--plain-http` names: hosts of registries or of the cache.
pub(super) fn allow_plain_http(
    sources: &Sources<'_>,
    registries: &mut [RegistryConfig],
    cache: Option<&mut CacheConfig>,
) -> Result<(), Failure> {
    let mut registries: Vec<_> = registries.iter_mut().chain(cache.map(|cache| &mut cache.base)).collect();
    for flag in given(&sources.flags.plain_http) {
        sources.parse("plain-http", flag, |host| {
            let is_named = |it: &RegistryConfig| it.repository.host.as_str().eq_ignore_ascii_case(host);
            if !registries.iter().any(|it| is_named(it)) {
                let hosts: BTreeSet<_> = registries.iter().map(|it| it.repository.host.as_str()).collect();
                let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Failure::other(format!("`{host}` is not the host of a registry, which are {hosts}")));
            }
            registries.iter_mut().filter(|it| is_named(it)).for_each(|it| it.plain_http = true);
            Ok(())
        })?;
    }
    Ok(())
}
