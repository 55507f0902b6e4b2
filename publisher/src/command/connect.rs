//! Clients for the configured registries, each with its credential.

use std::sync::Arc;

use crate::{
    auth::{self, AuthError, Credential},
    clean::Cleaner,
    config::{Config, RegistryConfig, SecretNames},
    environment::Environment,
    event::Events,
    exit::Failure,
    http,
    registry::{Hosts, Registry, Shared},
};

/// What the clients of one run share.
pub struct Connector {
    environment: Environment,
    shared: Shared,
}

impl Connector {
    pub(super) fn new(environment: &Environment, config: &Config, events: Events) -> Result<Self, Failure> {
        let http = http::client();
        let http = http.map_err(|error| Failure::other("failed to set up HTTPS").because(error))?;
        let shared = Shared { http, hosts: Hosts::default(), retry_base: config.retry_base, events };
        Ok(Self { environment: environment.clone(), shared })
    }

    /// A client with the credential that is found for it; nothing is sent yet.
    pub(super) async fn registry(&self, config: &RegistryConfig) -> Result<Arc<Registry>, Failure> {
        self.registry_as(config, self.credential(config).await?)
    }

    /// A client with this credential.
    pub(super) fn registry_as(
        &self,
        config: &RegistryConfig,
        credential: Credential,
    ) -> Result<Arc<Registry>, Failure> {
        let (name, repository) = (config.name.clone(), config.repository.clone());
        let registry = Registry::new(name, repository, config.plain_http, credential, self.shared.clone());
        registry.map(Arc::new).map_err(|error| Failure::other("failed to address a registry").because(error))
    }

    /// A registry with the interface through which its images are removed.
    pub(super) async fn cleaner(&self, registry: &Arc<Registry>, config: &RegistryConfig) -> Result<Cleaner, Failure> {
        let credential = self.credential(config).await?;
        Cleaner::new(Arc::clone(registry), config.driver, &credential, &self.environment)
            .map_err(|problem| Failure::other("failed to set up the clean-up").because(problem.to_string()))
    }

    /// The credential for a registry, anonymous if none is found.
    pub(super) async fn credential(&self, config: &RegistryConfig) -> Result<Credential, Failure> {
        let found = auth::find(&self.environment, &config.repository, config.secret_names()).await;
        Ok(found.map_err(|error| login_failed(config, error))?.credential)
    }
}

pub(super) fn login_failed(config: &RegistryConfig, error: AuthError) -> Failure {
    let mut failure = Failure::other(format!("failed to log in to {}", config.name));
    failure.hint = error.hint();
    failure.because(error)
}

/// The variables that have to hold a secret and do not, each once, in the order of the registries.
///
/// A registry lacks nothing when its configuration names no secrets, when an auth file has a credential for it, or when it
/// is on this machine. The user name is not needed on ghcr.io, which takes any.
pub(super) async fn missing_secrets(config: &Config, env: &Environment) -> Vec<String> {
    let mut missing = Vec::new();
    for registry in &config.registries {
        let Some(SecretNames { username, password }) = &registry.secrets else { continue };
        let host = &registry.repository.host;
        let needed = [(!host.is_ghcr()).then_some(username), Some(password)].into_iter().flatten();
        let absent: Vec<_> = needed.filter(|name| env.get(name).is_none() && !missing.contains(*name)).collect();
        if absent.is_empty() || host.is_loopback() {
            continue;
        }
        // An auth file that cannot be read is an error of the first connection.
        let in_file = auth::find(env, &registry.repository, None).await;
        if !in_file.is_ok_and(|found| !found.credential.is_anonymous()) {
            missing.extend(absent.into_iter().cloned());
        }
    }
    // One variable may be named for both.
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{Settings, load};

    /// What is missing for `registries` (the default ones if empty) where `variables` are set and an auth file has a
    /// credential for the host `known`.
    async fn missing(registries: &[&str], variables: &[&str], known: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        std::fs::write(&file, format!(r#"{{"auths":{{"{known}":{{"auth":"YTpi"}}}}}}"#)).unwrap();
        let registries = registries.iter().map(|text| (*text).into()).collect();
        let settings = Settings { image: Some("acme/hello".into()), registries, ..Settings::default() };
        let file = ("REGISTRY_AUTH_FILE", file.to_str().unwrap());
        let env: Environment = variables.iter().map(|name| (*name, "value")).chain([file]).collect();
        missing_secrets(&load(folder.path(), &settings, &env).unwrap(), &env).await
    }

    #[rstest]
    #[case(&[], "", &["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME"], "", &["DOCKERHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_TOKEN"], "", &["DOCKERHUB_USERNAME"])]
    #[case(&["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &[])]
    #[case(&["GITHUB_ACTOR", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"], "", &["GITHUB_TOKEN"])]
    #[case(&["GITHUB_TOKEN"], "docker.io", &[])]
    #[case(&[], "ghcr.io", &["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"])]
    #[tokio::test]
    async fn each_missing_secret_is_named(#[case] variables: &[&str], #[case] known: &str, #[case] expected: &[&str]) {
        assert_eq!(missing(&[], variables, known).await, expected);
    }

    #[rstest]
    #[case(&["a=quay.io/acme/hello"], &[])]
    #[case(&["a=127.0.0.1:5000/acme/hello"], &[])]
    #[case(&["a=ghcr.io/acme/one", "b=ghcr.io/acme/two"], &["GITHUB_TOKEN"])]
    #[tokio::test]
    async fn only_named_secrets_of_remote_registries_are_missed_and_each_once(
        #[case] registries: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(missing(registries, &[], "").await, expected);
    }
}
