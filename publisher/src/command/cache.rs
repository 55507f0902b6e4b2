//! The layer cache of a build. It may make a build quicker, never make one fail: what is wrong with it is a warning.

use super::{
    connect::Connector,
    session::{Session, credential_names},
};
use crate::{
    auth::{self, TemporaryAuthFile},
    config::RegistryConfig,
    event::Event,
    exit::{Exit, Failure},
    oci::{Platform, Tag},
    podman::LayerCache,
};

/// A layer cache that was found fit for use.
pub(super) struct Cache {
    /// What podman is told of it.
    pub(super) layers: LayerCache,
    /// The file that `layers` names lives as long as this.
    _credential: Option<TemporaryAuthFile>,
}

/// The layer cache for a platform, where one is configured and can be reached.
///
/// A run that publishes also writes to it: its event is one that may decide what users get (a push to the main branch or
/// of a version, a run started by hand). One that only builds leaves nothing anywhere.
pub(super) async fn open(session: &Session, platform: &Platform) -> Option<Cache> {
    let config = session.config.cache.as_ref()?.registry(platform);
    match prepare(session, &config).await {
        Ok(cache) => Some(cache),
        Err(failure) => {
            warn(session, &format!("the layer cache {} is not used", config.repository), &failure);
            None
        }
    }
}

/// Says that a build could not write to its cache.
pub(super) fn not_written(session: &Session, cache: &LayerCache, reason: String) {
    let message = format!("the layer cache {} could not be written, later builds will take longer", cache.repository);
    warn(session, &message, &Failure::new(Exit::Failed, reason));
}

async fn prepare(session: &Session, config: &RegistryConfig) -> Result<Cache, Failure> {
    let found = auth::find(&session.environment, &config.repository, credential_names(config)).await;
    let credential = found.map_err(no_credential)?.credential;
    let auth_file = auth::write_auth_file(&session.environment, &config.repository, &credential).await;
    let auth_file = auth_file.map_err(no_credential)?;
    let write = session.plan.push;
    if write {
        // podman passes over a cache that it cannot read, and tries again and again one that it cannot reach.
        let connector = Connector::new(&session.environment, &session.config, session.events())?;
        // Which tag is asked for does not matter, none of this name is there.
        connector.registry(config).await?.resolve(&Tag::latest()).await?;
    }
    let layers = LayerCache {
        repository: config.repository.clone(),
        write,
        plain_http: config.plain_http,
        auth_file: auth_file.as_ref().map(|file| file.path().into()),
    };
    Ok(Cache { layers, _credential: auth_file })
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
