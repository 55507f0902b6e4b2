//! The layer cache of a build. It may make a build quicker, never make one fail: a problem with it is a warning.

use super::{connect::login_failed, run::Run};
use crate::{
    auth::{self, TemporaryAuthFile},
    config::RegistryConfig,
    exit::Failure,
    oci::{Platform, Tag},
    podman::LayerCache,
};

/// A layer cache that is fit for use.
pub(super) struct Cache {
    /// podman's arguments for it.
    pub(super) layers: LayerCache,
    /// The file that `layers` names lives as long as this.
    _credential: Option<TemporaryAuthFile>,
}

/// The layer cache for a platform, where one is configured and can be reached.
///
/// A run that publishes also writes to it: its event is one that may decide what users get (a push to the main branch or
/// of a version, a run started by hand). One that only builds leaves nothing anywhere.
pub(super) async fn open(run: &Run, platform: &Platform) -> Option<Cache> {
    let config = run.config.cache.as_ref()?.registry(platform);
    match prepare(run, &config).await {
        Ok(cache) => Some(cache),
        Err(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            let causes = failure.chain().join(": ");
            run.warn(format!("the layer cache {} is not used: {causes}{hint}", config.repository));
            None
        }
    }
}

async fn prepare(run: &Run, config: &RegistryConfig) -> Result<Cache, Failure> {
    let found = auth::find(&run.environment, &config.repository, config.secret_names()).await;
    let credential = found.map_err(|error| login_failed(config, error))?.credential;
    let auth_file = auth::write_auth_file(&run.environment, &config.repository, &credential).await;
    let auth_file = auth_file.map_err(|error| login_failed(config, error))?;
    let write = run.plan.push;
    if write {
        // podman ignores a cache that it cannot read, and tries again and again one that it cannot reach. The tag that is
        // looked up does not matter.
        run.connector()?.registry_as(config, credential)?.resolve(&Tag::latest()).await?;
    }
    let layers = LayerCache {
        repository: config.repository.clone(),
        write,
        plain_http: config.plain_http,
        auth_file: auth_file.as_ref().map(|file| file.path().into()),
    };
    Ok(Cache { layers, _credential: auth_file })
}
