//! The layer cache: a repository for steps of builds, beside those that are published to.

use std::time::Duration;

use super::{
    RegistryConfig,
    sources::Sources,
    values::{max_age, refusal},
};
use crate::{
    exit::Failure,
    oci::{Platform, Repository},
};

/// The default age at which a step is removed that no build used.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The short name of a cache; the platform's name follows.
const NAME: &str = "cache";

const HINT: &str = "write host/repository such as ghcr.io/acme/hello-cache, or `off`";

/// The layer cache of all platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The repository as it is configured. It stays empty: each platform has one of its own beside it.
    pub(super) base: RegistryConfig,
    /// The age from which on a step is removed that the build at hand did not use; none if all are kept.
    pub max_age: Option<Duration>,
}

impl CacheConfig {
    /// The repository of one platform, `ghcr.io/acme/hello-cache-arm64`, with the short name `cache-arm64`. The platform is
    /// no part of the path, since Docker Hub's names have two parts; and podman's keys do not tell platforms apart, so they
    /// cannot share a repository.
    pub fn registry(&self, platform: &Platform) -> RegistryConfig {
        let platform = platform.short_name();
        let Repository { host, name } = self.base.repository.clone();
        let repository = Repository { host, name: format!("{name}-{platform}") };
        RegistryConfig { name: format!("{NAME}-{platform}"), repository, ..self.base.clone() }
    }
}

/// The cache that is configured, if any. What is configured for a registry on the same host holds for the cache as well.
pub(super) fn cache(
    sources: &Sources<'_>,
    platforms: &[Platform],
    registries: &[RegistryConfig],
) -> Result<Option<CacheConfig>, Failure> {
    // A mistake shows even while there is no cache.
    let age = sources.value("cache-max-age", |settings| settings.cache_max_age.as_ref(), max_age)?;
    let max_age = age.unwrap_or(Some(MAX_AGE));
    let parse = |text: &str| {
        // Switches off a cache that is configured elsewhere.
        if text == "off" {
            return Ok(None);
        }
        let repository: Repository = text.parse().map_err(|error: String| refusal(error, HINT))?;
        let neighbour = registries.iter().find(|registry| registry.repository.host == repository.host);
        let base = neighbour.cloned().unwrap_or_else(|| RegistryConfig::new(NAME, repository.clone()));
        let cache = CacheConfig { base: RegistryConfig { repository, ..base }, max_age };
        // With the platform's name behind it, the repository's name must still be valid and not one that is published to.
        for repository in platforms.iter().map(|platform| cache.registry(platform).repository) {
            repository.to_string().parse::<Repository>().map_err(|error| refusal(error, HINT))?;
            if let Some(registry) = registries.iter().find(|registry| registry.repository == repository) {
                let problem = format!("the cache would be in {repository}, where {} publishes", registry.name);
                return Err(refusal(problem, HINT));
            }
        }
        Ok(Some(cache))
    };
    Ok(sources.value("cache", |settings| settings.cache.as_ref(), parse)?.flatten())
}
