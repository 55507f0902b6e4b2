//! `publisher clean`: removes what records name and no tag holds, on every registry, or says what it would remove.
//!
//! A registry keeps no history of its tags and does not say who put a manifest there; its age proves nothing, as a run may
//! be under way. So there are two kinds of records: the hand-over files of builds whose run has ended, and the digests
//! that a publish names when it could not clean up itself. Everything else stays. The layer cache, if there is one, is
//! pruned by age.

use std::{collections::HashSet, path::PathBuf};

use clap::Args;
use futures::future::join_all;
use serde::Serialize;

use super::{cache::prune, connect::Connector};
use crate::{
    clean::{Problem, Report, Task},
    commit::staged_on,
    config::{self, Settings},
    environment::Environment,
    event::Events,
    exit::Failure,
    oci::{Digest, Tag},
};

/// The flags of `publisher clean`.
#[derive(Debug, Clone, Args)]
pub struct CleanArgs {
    /// Says what would be removed and why, and removes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Considers what the hand-over files in this folder, and in the folders in it, name: builds of runs that have ended;
    /// repeatable. Never give it the files of a run that is under way
    #[arg(long, value_name = "FOLDER")]
    pub records: Vec<PathBuf>,
    /// Considers this manifest and what it names: a publish that could not clean up says which; repeatable
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    pub digest: Vec<Digest>,
    /// What is published where.
    #[command(flatten)]
    pub settings: Settings,
}

/// What a clean-up did on all registries.
#[derive(Debug, Serialize)]
pub struct Cleaned {
    /// `cleaned`, `planned` where nothing was to be removed yet, or `failed`.
    pub status: &'static str,
    /// The registries, in the order of the configuration.
    pub registries: Vec<Report>,
    /// The layer caches, one a platform, where there are any.
    pub caches: Vec<Report>,
}

impl Cleaned {
    /// The failure that the reports amount to, if they do.
    pub fn failure(&self) -> Option<Failure> {
        let failed: Vec<_> = self.reports().filter(|report| report.problem.is_some()).collect();
        let first = failed.first()?.problem.as_ref()?;
        let names: Vec<_> = failed.iter().map(|report| report.registry.as_str()).collect();
        let what = if first.denied { "clean-up is not allowed" } else { "clean-up stopped" };
        let failure = Failure::other(format!("{what} on {}", names.join(", "))).because(first.to_string());
        Some(failure.left("every tag is as before, and whole; what was not removed can be removed later"))
    }

    /// The trees of all registries.
    pub fn text(&self) -> String {
        self.reports().map(Report::text).collect::<Vec<_>>().join("\n")
    }

    fn reports(&self) -> impl Iterator<Item = &Report> {
        self.registries.iter().chain(&self.caches)
    }
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| "expected sha256:<64 hexadecimal digits>".to_owned())
}

/// Cleans up all registries at once.
///
/// # Errors
/// `Exit::Failed` when configuration, credentials or records cannot be read. What happens on a registry stands in its
/// report.
pub async fn clean(environment: &Environment, args: &CleanArgs, events: Events) -> Result<Cleaned, Failure> {
    let folder = std::env::current_dir().unwrap_or_default();
    let config = config::load(&folder, &args.settings, environment)?;
    let environment = environment.clone().withholding(config.passwords());
    let connector = Connector::new(&environment, &config, events)?;
    let mut cleaners = Vec::new();
    for config in &config.registries {
        let registry = connector.registry(config).await?;
        let mut recorded = args.digest.clone();
        for records in &args.records {
            recorded.extend(staged_on(&folder.join(records), &registry)?);
        }
        cleaners.push((connector.cleaner(&registry, config).await?, recorded));
    }
    let registries = join_all(cleaners.into_iter().map(async |(cleaner, recorded)| {
        let mut report = cleaner.clean(Task { recorded, dry_run: args.dry_run, ..Task::default() }).await;
        match cleaner.registry.resolve(&Tag::latest()).await {
            Ok(Some(_)) => {}
            Ok(None) => report.warnings.push(format!("{} is not there", Tag::latest())),
            Err(error) => _ = report.problem.get_or_insert(Problem { denied: false, ..error.into() }),
        }
        report
    }))
    .await;
    // No build is at hand that could say which steps it used.
    let builds = config.platforms.iter().map(|platform| (platform.clone(), HashSet::new())).collect();
    let caches = prune(&connector, config.cache.as_ref(), builds, args.dry_run).await;
    let mut cleaned = Cleaned { status: if args.dry_run { "planned" } else { "cleaned" }, registries, caches };
    if cleaned.failure().is_some() {
        cleaned.status = "failed";
    }
    Ok(cleaned)
}
