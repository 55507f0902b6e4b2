//! A registry of the configuration as a client that knows who it is.

use super::session::credential_names;
use crate::{
    auth::{self, AuthError, Credential},
    config::{Config, RegistryConfig},
    environment::Environment,
    event::Events,
    exit::{Exit, Failure},
    http::Backoff,
    registry::{Hosts, Registry, RegistryOptions},
};

/// What the clients of one run share.
pub(super) struct Connector<'a> {
    pub(super) environment: &'a Environment,
    pub(super) config: &'a Config,
    pub(super) http: reqwest::Client,
    pub(super) hosts: Hosts,
    pub(super) events: Events,
}

impl<'a> Connector<'a> {
    /// A connector with a client of its own.
    pub(super) fn new(environment: &'a Environment, config: &'a Config, events: Events) -> Result<Self, Failure> {
        let http = crate::http::client()
            .map_err(|error| Failure::new(Exit::Failed, "failed to set up HTTPS").because(error))?;
        Ok(Self { environment, config, http, hosts: Hosts::default(), events })
    }

    /// A client; nothing is sent yet.
    pub(super) async fn registry(&self, config: &RegistryConfig) -> Result<Registry, Failure> {
        self.registry_as(config, credential(self.environment, config).await?)
    }

    /// A client that is this account.
    pub(super) fn registry_as(&self, config: &RegistryConfig, credential: Credential) -> Result<Registry, Failure> {
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
        Registry::new(options)
            .map_err(|error| Failure::new(Exit::Failed, "failed to address a registry").because(error))
    }
}

/// Who we are to a registry.
pub(super) async fn credential(environment: &Environment, config: &RegistryConfig) -> Result<Credential, Failure> {
    let unreadable = |error: AuthError| {
        let hint = error.hint();
        let failure = Failure::new(Exit::Failed, format!("failed to log in to {}", config.name)).because(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let found = auth::find(environment, &config.repository, credential_names(config)).await.map_err(unreadable)?;
    Ok(found.credential)
}
