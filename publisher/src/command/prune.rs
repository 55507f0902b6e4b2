//! The layer cache after a build: steps that are old and that the build did not use are removed.
//!
//! Like everything else about the cache, this fails no publish. A run prunes the cache of a platform only if its own build
//! named all its steps there; `publisher clean`, which knows of no build, goes by age alone.

use std::{collections::HashSet, time::SystemTime};

use futures::future::join_all;

use super::{
    connect::{Connector, cleaner},
    run::Run,
};
use crate::{
    clean::{Outcome, Problem, Pruning, Report},
    commit::Record,
    event::Event,
    oci::{Platform, Tag},
};

/// Prunes the caches of the builds of this run, and reports the results.
pub(super) async fn after(run: &Run, records: &[Record]) -> Vec<Report> {
    let builds = records.iter().filter(|record| !record.cache_keys.is_empty());
    let builds: Vec<_> = builds.map(|record| (record.image.platform.clone(), tags(&record.cache_keys))).collect();
    if builds.is_empty() {
        return Vec::new();
    }
    let connector = match run.connector() {
        Ok(connector) => connector,
        Err(failure) => {
            run.warn(format!("the layer cache is not pruned: {}", failure.chain().join(": ")));
            return Vec::new();
        }
    };
    let reports = prune(&connector, builds, false).await;
    for Report { repository, warnings, problem, .. } in &reports {
        for warning in warnings {
            run.events().event(Event::Note(format!("layer cache {repository}: {warning}")));
        }
        if let Some(problem) = problem {
            let what = if problem.denied { "may not" } else { "could not" };
            run.warn(format!("the layer cache {repository} {what} be pruned: {problem}"));
        }
    }
    for report in reports.iter().filter(|report| report.count(Outcome::Removed) > 0) {
        run.events().event(Event::Note(format!("layer cache {}", report.line())));
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
        let opened = async { cleaner(connector.environment, &connector.registry(&config).await?, &config).await };
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

/// The tags of steps. A key that is no tag has nothing in the cache.
fn tags(keys: &[String]) -> HashSet<Tag> {
    keys.iter().filter_map(|key| key.parse().ok()).collect()
}
