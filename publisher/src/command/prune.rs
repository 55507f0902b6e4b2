//! The layer cache after a build: steps that are old and of no use any more are removed.
//!
//! Nothing about it fails a publish, as nothing else about the cache does. A run prunes the cache of a platform only if its
//! own build named all its steps there; `publisher clean`, which knows of no build, goes by age alone.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::join_all;

use super::{
    connect::{Connector, credential},
    session::Session,
};
use crate::{
    clean::{Cleaner, Outcome, Problem, Pruning, Report},
    commit::Record,
    config::RegistryConfig,
    event::{Event, Events},
    exit::{Exit, Failure},
    oci::{Platform, Tag},
};

/// Prunes what the builds of this run have used, and tells what came of it.
pub(super) async fn after(session: &Session, records: &[Record]) -> Vec<Report> {
    let builds = records.iter().filter(|record| !record.cache_keys.is_empty());
    let builds: Vec<_> = builds.map(|record| (record.platform.clone(), keys(&record.cache_keys))).collect();
    if builds.is_empty() {
        return Vec::new();
    }
    let events = session.events();
    let connector = match Connector::new(&session.environment, &session.config, session.events()) {
        Ok(connector) => connector,
        Err(failure) => {
            events.event(Event::Warning(format!("the layer cache is not pruned: {}", failure.chain().join(": "))));
            return Vec::new();
        }
    };
    let reports = prune(&connector, builds, false).await;
    for report in &reports {
        tell(report, &events);
    }
    reports
}

/// Prunes the caches of some platforms, given the keys of the steps that are in use.
pub(super) async fn prune(
    connector: &Connector<'_>,
    builds: Vec<(Platform, HashSet<Tag>)>,
    dry_run: bool,
) -> Vec<Report> {
    let Some((cache, max_age)) = connector.config.cache.as_ref().and_then(|cache| Some((cache, cache.max_age?))) else {
        return Vec::new();
    };
    let prune = async |(platform, used): (Platform, HashSet<Tag>)| {
        let config = cache.registry(&platform);
        match open(connector, &config).await {
            Ok(site) if site.is_cleaned() => Some(site.prune(&pruning(used, max_age, dry_run)).await),
            Ok(_) => None,
            Err(failure) => {
                let problem = Some(Problem { causes: failure.chain(), denied: false });
                Some(Report { problem, ..Report::new(&config.name, &config.repository, config.driver) })
            }
        }
    };
    join_all(builds.into_iter().map(prune)).await.into_iter().flatten().collect()
}

fn pruning(used: HashSet<Tag>, max_age: Duration, dry_run: bool) -> Pruning {
    Pruning { used, max_age, now: SystemTime::now(), dry_run }
}

async fn open(connector: &Connector<'_>, config: &RegistryConfig) -> Result<Cleaner, Failure> {
    let registry = Arc::new(connector.registry(config).await?);
    let credential = credential(connector.environment, config).await?;
    Cleaner::new(registry, config.driver, &credential, connector.environment)
        .map_err(|error| Failure::new(Exit::Failed, "failed to set up the clean-up").because(error))
}

/// What podman printed as a key and is none, nothing is kept under.
fn keys(texts: &[String]) -> HashSet<Tag> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn tell(report: &Report, events: &Events) {
    let Report { repository, warnings, problem, .. } = report;
    if report.count(Outcome::Removed) > 0 {
        events.event(Event::Note(format!("layer cache {}", report.line())));
    }
    for warning in warnings {
        events.event(Event::Note(format!("layer cache {repository}: {warning}")));
    }
    if let Some(problem) = problem {
        let what = if problem.denied { "may not" } else { "could not" };
        let causes = problem.causes.join(": ");
        events.event(Event::Warning(format!("the layer cache {repository} {what} be pruned: {causes}")));
    }
}
