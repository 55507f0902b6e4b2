//! Prunes a layer cache: looks once at everything, and removes the oldest steps that nobody needs.
//!
//! Whatever goes, no build breaks: what podman does not find it runs again. All the same nobody else's tag loses anything,
//! and if one cannot be read, nothing goes. Steps are images; only what others tagged may be lists.

use std::time::SystemTime;

use super::{
    CleanError, Fate, Graph, Item, Outcome, Report, decide,
    driver::{Deletion, Driver, Leaving, Stock},
    library::Library,
    stale::{Judgement, Pruning, is_key, judge},
};
use crate::{
    oci::{Digest, short},
    registry::Registry,
};

/// How many steps are removed at most at once: GitHub allows a thousand requests an hour, and a step takes two. More than
/// that wait for the next clean-up.
const REMOVALS_MAX: usize = 50;
/// How much of a date is shown: the day.
const DAY_LENGTH: usize = "2026-01-31".len();

/// Prunes, and tells in `report` what became of all that is old.
///
/// # Errors
/// Whatever stops it. Nothing is removed after that.
pub(super) async fn prune(
    registry: &Registry,
    driver: &Driver,
    pruning: &Pruning,
    report: &mut Report,
) -> Result<(), CleanError> {
    let stock = driver.stock(registry).await?;
    let is_shared = stock.iter().any(is_foreign);
    let mut stale = Vec::new();
    for entry in &stock {
        match judge(entry, pruning, is_shared) {
            Judgement::Kept => {}
            Judgement::Used(_) => report.items.push(item(entry, Outcome::Kept, "this build used it")),
            Judgement::Stale => stale.push(entry),
        }
    }
    let waiting = stale.split_off(stale.len().min(REMOVALS_MAX));
    if !waiting.is_empty() {
        report.warnings.push(format!("{} more are as old and left for the next clean-up", waiting.len()));
    }
    let removals = unneeded(registry, &stock, &stale, report).await?;
    if pruning.dry_run {
        return Ok(());
    }
    let removed = remove(registry, driver, &removals, report).await;
    for item in report.items.iter_mut().filter(|item| item.outcome == Outcome::Planned) {
        item.becomes(Outcome::Kept, "the clean-up stopped before it");
    }
    removed
}

/// What of the stale ones no other tag reaches.
async fn unneeded<'a>(
    registry: &Registry,
    stock: &[Stock],
    stale: &[&'a Stock],
    report: &mut Report,
) -> Result<Vec<&'a Stock>, CleanError> {
    if stale.is_empty() {
        return Ok(Vec::new());
    }
    let mut library = Library::new(registry);
    library.learn(stock.iter().filter(|entry| is_foreign(entry)).map(|entry| entry.digest.clone())).await?;
    let mut graph = Graph { nodes: library.nodes, ..Graph::default() };
    for entry in stock {
        if !is_foreign(entry) {
            graph.nodes.entry(entry.digest.clone()).or_default();
        }
        if !stale.iter().any(|it| it.digest == entry.digest) {
            graph.tags.extend(entry.tags.iter().map(|tag| (tag.clone(), vec![entry.digest.clone()])));
        }
    }
    let recorded: Vec<Digest> = stale.iter().map(|entry| entry.digest.clone()).collect();
    let decision = decide(&graph, &recorded)?;
    let mut removals = Vec::new();
    for &entry in stale {
        match decision.on(&entry.digest).map(|verdict| &verdict.fate) {
            Some(Fate::Kept(tag)) => report.items.push(item(entry, Outcome::Kept, &format!("{tag} holds it"))),
            Some(Fate::Removed) | None => {
                report.items.push(item(entry, Outcome::Planned, "no build used it since"));
                removals.push(entry);
            }
        }
    }
    Ok(removals)
}

async fn remove(
    registry: &Registry,
    driver: &Driver,
    removals: &[&Stock],
    report: &mut Report,
) -> Result<(), CleanError> {
    for entry in removals {
        let deletion = delete(registry, driver, entry).await?;
        let Some(item) = report.item(&entry.digest) else { continue };
        match deletion {
            Deletion::Gone => item.outcome = Outcome::Removed,
            Deletion::Absent => item.becomes(Outcome::Removed, "it was gone already"),
            Deletion::Stays(why) => item.becomes(Outcome::Kept, why.words()),
        }
    }
    Ok(())
}

/// Deletes a step with its keys; where tags do not go with their manifest, they go before it.
async fn delete(registry: &Registry, driver: &Driver, entry: &Stock) -> Result<Deletion, CleanError> {
    for tag in &entry.tags {
        if let Some(stays @ Deletion::Stays(_)) = driver.delete_tag(registry, tag).await? {
            return Ok(stays);
        }
    }
    let leaving = Leaving { with_it: &entry.tags, moved: None };
    driver.delete(registry, &entry.digest, leaving, async || Ok(None)).await
}

/// Whether somebody else gave it a tag.
fn is_foreign(entry: &Stock) -> bool {
    entry.tags.iter().any(|tag| !is_key(tag))
}

fn item(entry: &Stock, outcome: Outcome, why: &str) -> Item {
    let what = match entry.tags.first() {
        Some(key) => format!("step {}", key.as_str().get(..short(&entry.digest).len()).unwrap_or(key.as_str())),
        None => "without a tag".into(),
    };
    let made = entry.since.map_or_else(String::new, |since| format!(" of {}", day(since)));
    Item { digest: entry.digest.clone(), depth: 0, list: false, outcome, because: format!("{what}{made}, {why}") }
}

fn day(moment: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_seconds(moment).to_string();
    text.truncate(DAY_LENGTH);
    text
}
