//! The layer cache of a build. It may make a build quicker, never make one fail: what is wrong with it is a warning.

use super::session::Session;
use crate::{
    auth::{self, Lent},
    config::CacheConfig,
    event::Event,
    exit::{Exit, Failure},
    http::{self, Backoff},
    oci::{Platform, Repository, Tag},
    podman::LayerCache,
    registry::{Hosts, Registry, RegistryOptions},
};

/// What the cache is called where registries go by short names.
const NAME: &str = "cache";

/// A layer cache that was found fit for use.
pub(super) struct Cache {
    /// What podman is told of it.
    pub(super) layers: LayerCache,
    /// The file that `layers` names lives as long as this.
    _credential: Option<Lent>,
}

/// The layer cache for a platform, where one is configured and can be reached.
///
/// A run that publishes also writes to it: its event is one that may decide what users get (a push to the main branch or
/// of a version, a run started by hand). One that only builds leaves nothing anywhere.
pub(super) async fn open(session: &Session, platform: &Platform) -> Option<Cache> {
    let config = session.config.cache.as_ref()?;
    let repository = config.repository(platform);
    match prepare(session, config, &repository).await {
        Ok(cache) => Some(cache),
        Err(failure) => {
            warn(session, &format!("the layer cache {repository} is not used"), &failure);
            None
        }
    }
}

/// Says that a build could not write to its cache.
pub(super) fn not_written(session: &Session, cache: &LayerCache, reason: String) {
    let message = format!("the layer cache {} could not be written, later builds will take longer", cache.repository);
    warn(session, &message, &Failure::new(Exit::Failed, reason));
}

async fn prepare(session: &Session, config: &CacheConfig, repository: &Repository) -> Result<Cache, Failure> {
    let names = config.secrets.as_ref().map(|names| (names.username.as_str(), names.password.as_str()));
    let found = auth::find(&session.environment, repository, names).await.map_err(no_credential)?;
    let lent = auth::lend(&session.environment, repository, &found.credential).await.map_err(no_credential)?;
    let write = session.plan.push;
    if write {
        // podman passes over a cache that it cannot read, and tries again and again one that it cannot reach.
        let http =
            http::client().map_err(|error| Failure::new(Exit::Failed, "failed to set up HTTPS").because(error))?;
        let registry = Registry::new(RegistryOptions {
            name: NAME.into(),
            repository: repository.clone(),
            plain_http: config.plain_http,
            credential: found.credential,
            backoff: Backoff { base: session.config.retry_base },
            http,
            hosts: Hosts::default(),
            events: session.events(),
        });
        let registry = registry.map_err(|error| Failure::new(Exit::Failed, "failed to address it").because(error))?;
        // Which tag is asked for does not matter, none of this name is there.
        registry.resolve(&Tag::latest()).await?;
    }
    let layers = LayerCache {
        repository: repository.clone(),
        write,
        plain_http: config.plain_http,
        auth_file: lent.as_ref().map(|lent| lent.path().into()),
    };
    Ok(Cache { layers, _credential: lent })
}

fn no_credential(error: auth::AuthError) -> Failure {
    let hint = error.hint();
    let failure = Failure::new(Exit::Failed, "failed to log in").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn warn(session: &Session, message: &str, cause: &Failure) {
    let hint = cause.hint.clone().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    session.events().event(Event::Warning(format!("{message}: {}{hint}", cause.chain().join(": "))));
}
