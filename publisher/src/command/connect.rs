//! Clients for the configured registries, each with its credential.

use std::sync::Arc;

use crate::{
    auth::{self, AuthError, Credential},
    clean::Cleaner,
    config::{Config, RegistryConfig},
    environment::Environment,
    event::Events,
    exit::Failure,
    http::{self, Backoff},
    registry::{Hosts, Registry, RegistryOptions},
};

/// What the clients of one run share.
pub(super) struct Connector<'a> {
    pub(super) environment: &'a Environment,
    pub(super) config: &'a Config,
    http: reqwest::Client,
    hosts: Hosts,
    events: Events,
}

impl<'a> Connector<'a> {
    pub(super) fn new(environment: &'a Environment, config: &'a Config, events: Events) -> Result<Self, Failure> {
        let http = http::client();
        let http = http.map_err(|error| Failure::other("failed to set up HTTPS").because(error))?;
        Ok(Self { environment, config, http, hosts: Hosts::default(), events })
    }

    /// A client with the credential that is found for it; nothing is sent yet.
    pub(super) async fn registry(&self, config: &RegistryConfig) -> Result<Arc<Registry>, Failure> {
        self.registry_as(config, credential(self.environment, config).await?)
    }

    /// A client with this credential.
    pub(super) fn registry_as(
        &self,
        config: &RegistryConfig,
        credential: Credential,
    ) -> Result<Arc<Registry>, Failure> {
        let options = RegistryOptions {
            name: config.name.clone(),
            repository: config.repository.clone(),
            plain_http: config.plain_http,
            credential,
            backoff: Backoff { base: self.config.retry_base },
            http: self.http.clone(),
            hosts: self.hosts.clone(),
            events: Events::clone(&self.events),
        };
        let registry = Registry::new(options);
        registry.map(Arc::new).map_err(|error| Failure::other("failed to address a registry").because(error))
    }
}

/// A registry with the interface through which its images are removed.
pub(super) async fn cleaner(
    environment: &Environment,
    registry: &Arc<Registry>,
    config: &RegistryConfig,
) -> Result<Cleaner, Failure> {
    let credential = credential(environment, config).await?;
    Cleaner::new(Arc::clone(registry), config.driver, &credential, environment)
        .map_err(|problem| Failure::other("failed to set up the clean-up").because(problem.to_string()))
}

/// The credential for a registry, anonymous if none is found.
pub(super) async fn credential(environment: &Environment, config: &RegistryConfig) -> Result<Credential, Failure> {
    let found = auth::find(environment, &config.repository, config.secret_names()).await;
    Ok(found.map_err(|error| login_failed(config, error))?.credential)
}

pub(super) fn login_failed(config: &RegistryConfig, error: AuthError) -> Failure {
    let hint = error.hint();
    Failure::other(format!("failed to log in to {}", config.name)).because(error).maybe_hint(hint)
}
