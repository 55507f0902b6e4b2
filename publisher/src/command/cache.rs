//! The layer cache of a build. It may make a build quicker, never make one fail: a problem with it is a warning.
//!
//! After a publish, steps that are old and that the build did not use are removed. A run prunes the cache of a platform
//! only if its own build named all its steps there; `publisher clean`, which knows of no build, goes by age alone.

use std::{collections::HashSet, time::SystemTime};

use futures::future::join_all;
use tempfile::TempPath;

use super::{
    connect::{Connector, login_failed},
    run::Run,
};
use crate::{
    auth,
    clean::{Outcome, Problem, Pruning, Report},
    commit::Record,
    config::{CacheConfig, RegistryConfig},
    exit::Failure,
    oci::{Platform, Tag},
    podman::LayerCache,
};

/// A layer cache, and the auth file that it names: dropping that deletes it.
pub(super) type Cache = (LayerCache, Option<TempPath>);

/// The layer cache for a platform, where one is configured and can be reached.
///
/// A run that publishes also writes to it: its event is one that may decide what users get (a push to the main branch or
/// of a version, a run started by hand). One that only builds leaves nothing anywhere.
pub(super) async fn open(run: &Run, platform: &Platform) -> Option<Cache> {
    let config = run.config.cache.as_ref()?.registry(platform);
    let warn = |failure: Failure| {
        let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        let causes = failure.chain().join(": ");
        run.warn(format!("the layer cache {} is not used: {causes}{hint}", config.repository));
    };
    prepare(run, &config).await.map_err(warn).ok()
}

async fn prepare(run: &Run, config: &RegistryConfig) -> Result<Cache, Failure> {
    let credential = run.connector.credential(config).await?;
    let auth_file = auth::write_auth_file(&run.environment, &config.repository, &credential).await;
    let auth_file = auth_file.map_err(|error| login_failed(config, error))?;
    let write = run.plan.push;
    if write {
        // podman ignores a cache that it cannot read, and tries again and again one that it cannot reach. The tag that is
        // looked up does not matter.
        run.connector.registry_as(config, credential)?.resolve(&Tag::latest()).await?;
    }
    let layers = LayerCache {
        repository: config.repository.clone(),
        write,
        plain_http: config.plain_http,
        auth_file: auth_file.as_ref().map(|file| file.to_path_buf()),
    };
    Ok((layers, auth_file))
}

/// Prunes the caches of the builds of this run, and reports the results.
pub(super) async fn prune_after(run: &Run, records: &[Record]) -> Vec<Report> {
    let builds = records.iter().filter(|record| !record.cache_keys.is_empty());
    // A key that is no tag has nothing in the cache.
    let tags = |keys: &[String]| keys.iter().filter_map(|key| key.parse().ok()).collect();
    let builds = builds.map(|record| (record.image.platform.clone(), tags(&record.cache_keys))).collect();
    let reports = prune(&run.connector, run.config.cache.as_ref(), builds, false).await;
    for report in &reports {
        let repository = &report.repository;
        for warning in &report.warnings {
            run.note(format!("layer cache {repository}: {warning}"));
        }
        if let Some(problem) = &report.problem {
            let what = if problem.denied { "may not" } else { "could not" };
            run.warn(format!("the layer cache {repository} {what} be pruned: {problem}"));
        }
        if report.count(Outcome::Removed) > 0 {
            run.note(format!("layer cache {}", report.line()));
        }
    }
    reports
}

/// Prunes the caches of some platforms, given the keys of the steps that are in use.
pub(super) async fn prune(
    connector: &Connector,
    cache: Option<&CacheConfig>,
    builds: Vec<(Platform, HashSet<Tag>)>,
    dry_run: bool,
) -> Vec<Report> {
    let Some((cache, max_age)) = cache.and_then(|cache| Some((cache, cache.max_age?))) else { return Vec::new() };
    let prune = async |(platform, used): (Platform, HashSet<Tag>)| {
        let config = cache.registry(&platform);
        let opened = async { connector.cleaner(&connector.registry(&config).await?, &config).await };
        match opened.await {
            Ok(cleaner) if cleaner.is_cleaned() => {
                Some(cleaner.prune(&Pruning { used, max_age, now: SystemTime::now(), dry_run }).await)
            }
            Ok(_) => None,
            Err(failure) => {
                let problem = Some(Problem { causes: failure.chain(), denied: false });
                Some(Report { problem, ..Report::new(&config.name, &config.repository, config.driver) })
            }
        }
    };
    join_all(builds.into_iter().map(prune)).await.into_iter().flatten().collect()
}
