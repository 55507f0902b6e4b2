//! Where steps of builds are kept for later builds: in a repository that nothing is published to.

use std::time::Duration;

use super::{
    ConfigError, DriverKind, RegistryConfig, SecretNames,
    duration::max_age,
    origin::{Given, Origin},
    registries::usual_secrets,
};
use crate::oci::{Host, Platform, Repository};

/// What switches off a cache that is configured elsewhere.
const OFF: &str = "off";
/// How old a step may become that no build used, if nothing else is said.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What a cache is called where registries go by short names; the platform's name follows.
const NAME: &str = "cache";

const HINT: &str = "write host/repository such as ghcr.io/acme/hello-cache, or `off`";

/// The layer cache of all platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The repository as it is configured. Nothing is in it: each platform has one of its own beside it.
    repository: Repository,
    /// Whether to speak HTTP without TLS.
    pub plain_http: bool,
    /// The variables that hold the credentials, where they are known.
    pub secrets: Option<SecretNames>,
    /// How old a step may become that the build at hand did not use; nothing if all are kept.
    pub max_age: Option<Duration>,
    /// The interface through which steps are removed.
    driver: DriverKind,
}

impl CacheConfig {
    /// The repository of one platform: `ghcr.io/acme/hello-cache-arm64`. Not a part of its path, since Docker Hub's names
    /// have two parts; not one for all, since podman's keys do not tell platforms apart.
    pub fn repository(&self, platform: &Platform) -> Repository {
        let Repository { host, name } = self.repository.clone();
        Repository { host, name: format!("{name}-{}", platform.short_name()) }
    }

    /// The repository of one platform as a registry that can be talked to, named `cache-arm64`.
    pub fn registry(&self, platform: &Platform) -> RegistryConfig {
        RegistryConfig {
            name: format!("{NAME}-{}", platform.short_name()),
            repository: self.repository(platform),
            plain_http: self.plain_http,
            secrets: self.secrets.clone(),
            driver: self.driver,
        }
    }

    /// The host, and how it is spoken to.
    pub(super) fn transport(&mut self) -> (&Host, &mut bool) {
        (&self.repository.host, &mut self.plain_http)
    }
}

/// The cache that is configured, if any. What is said about a registry on the same host is true of the cache as well.
pub(super) fn cache(
    given: Option<Given<String>>,
    age: Option<&Given<String>>,
    platforms: &[Platform],
    registries: &[RegistryConfig],
) -> Result<Option<CacheConfig>, ConfigError> {
    // A mistake shows even while there is no cache.
    let max_age = age.map_or(Ok(Some(MAX_AGE)), max_age)?;
    let Some(Given { value, origin }) = given.filter(|given| given.value != OFF) else { return Ok(None) };
    let refuse = |problem: String| ConfigError::invalid(origin.clone(), problem).with_hint(HINT);
    let repository: Repository = value.parse().map_err(|error| refuse(format!("{error}")))?;
    let neighbour = registries.iter().find(|registry| registry.repository.host == repository.host);
    let cache = CacheConfig {
        plain_http: neighbour.map_or_else(|| repository.host.is_loopback(), |registry| registry.plain_http),
        secrets: neighbour.map_or_else(|| usual_secrets(&repository.host), |registry| registry.secrets.clone()),
        driver: neighbour.map_or_else(|| DriverKind::of(&repository.host), |registry| registry.driver),
        max_age,
        repository,
    };
    for platform in platforms {
        check(&cache.repository(platform), registries, &origin)?;
    }
    Ok(Some(cache))
}

/// With the platform behind it, the name is still one, and nobody else's.
fn check(repository: &Repository, registries: &[RegistryConfig], origin: &Origin) -> Result<(), ConfigError> {
    let refuse = |problem: String| Err(ConfigError::invalid(origin.clone(), problem).with_hint(HINT));
    if let Err(error) = repository.to_string().parse::<Repository>() {
        return refuse(error.to_string());
    }
    match registries.iter().find(|registry| registry.repository == *repository) {
        Some(registry) => refuse(format!("the cache would lie in {repository}, where {} publishes", registry.name)),
        None => Ok(()),
    }
}
