//! Carries a decision out: a look before each deletion, and a last one to see that nobody lost anything.

use std::collections::{BTreeMap, HashSet};

use super::{
    CleanError, Decision, Fate, Graph, Outcome, Report,
    driver::{Deletion, Leaving, Stays},
    report::Item,
    view::{Floating, View},
};
use crate::{
    oci::{Digest, Tag, short},
    registry::{Name, RegistryError},
};

/// Removes what is ours and out of reach, and tells in `report` what became of it.
///
/// # Errors
/// Whatever stops it. Nothing is removed after that, and nothing at all if it happens before the first deletion.
pub(super) async fn sweep(view: &mut View<'_>, dry_run: bool, report: &mut Report) -> Result<(), CleanError> {
    let (_, decision) = view.decide().await?;
    report.items = decision.verdicts.iter().map(Item::planned).collect();
    if dry_run || decision.removals.is_empty() {
        return Ok(());
    }
    let mut last = None;
    let removed = remove(view, &decision, &mut last, report).await;
    let checked = check(view, &decision, last, report).await;
    // What was not done stays, and says so.
    for item in report.items.iter_mut().filter(|item| item.outcome == Outcome::Planned) {
        item.becomes(Outcome::Kept, "the clean-up stopped before it");
    }
    removed.and(checked)
}

/// The last manifest that was deleted, and the tags that the look before had seen.
type Last = Option<(Digest, Tags)>;
type Tags = BTreeMap<Tag, Vec<Digest>>;

async fn remove(
    view: &mut View<'_>,
    planned: &Decision,
    last: &mut Last,
    report: &mut Report,
) -> Result<(), CleanError> {
    let moved = view.floating.as_ref().and_then(Floating::moved).cloned();
    for digest in &planned.removals {
        let (graph, now) = view.decide().await?;
        if let Some((deleted, tags)) = last.take()
            && bring_back(view, &tags, &graph, &deleted, report).await?
        {
            // Whoever tagged what was just removed may need its parts.
            return Ok(());
        }
        let outcome = match held(&graph, &now, digest, report) {
            Some(why) => Deletion::Stays(why),
            None => delete(view, &graph, digest, moved.as_ref(), report).await?,
        };
        if outcome == Deletion::Gone {
            *last = Some((digest.clone(), graph.tags));
        }
        settle(view, digest, &outcome, report);
    }
    Ok(())
}

/// What keeps a manifest, by the newest look. Nothing is deleted that it does not say may go.
fn held(graph: &Graph, now: &Decision, digest: &Digest, report: &Report) -> Option<Stays> {
    match now.on(digest).map(|verdict| &verdict.fate) {
        Some(Fate::Kept(tag)) => Some(Stays::Tagged(vec![tag.clone()])),
        None => Some(Stays::InUse),
        // A list that had to stay keeps what it names: nobody's image may be left with a hole.
        Some(Fate::Removed) if is_named_by_kept(graph, digest, report) => Some(Stays::InUse),
        Some(Fate::Removed) => None,
    }
}

/// Deletes a manifest with the fallback tags that point at it: no other tag does, or it would not go. Where tags do not
/// go with it, they go before it. Before a second attempt is another look.
async fn delete(
    view: &mut View<'_>,
    graph: &Graph,
    digest: &Digest,
    moved: Option<&Tag>,
    report: &mut Report,
) -> Result<Deletion, CleanError> {
    let (driver, registry) = (view.driver, view.registry);
    let with_it = graph.tags.iter().filter(|(_, at)| at.contains(digest)).map(|(tag, _)| tag.clone());
    let with_it: Vec<Tag> = with_it.collect();
    for tag in &with_it {
        if let Some(Deletion::Stays(why)) = driver.delete_tag(registry, tag).await? {
            report.warnings.push(format!("tag {tag} stays: {}", why.words()));
        }
    }
    let (mut is_fresh, mut known) = (true, graph.tags.clone());
    let look_again = async || {
        // A look takes its time where every tag is asked for: a tag that came meanwhile would go unseen.
        let is_seen = |tags: &[Tag], known: &Tags| tags.iter().all(|tag| known.contains_key(tag));
        while !std::mem::take(&mut is_fresh)
            || (driver.asks_for_every_tag() && !is_seen(&registry.tags().await?, &known))
        {
            // What is gone is told by the answer to the deletion.
            if !registry.has_manifest(digest).await? {
                return Ok(None);
            }
            let (graph, now) = view.decide().await?;
            if let Some(why) = held(&graph, &now, digest, report) {
                return Ok(Some(why));
            }
            (is_fresh, known) = (true, graph.tags);
        }
        Ok(None)
    };
    driver.delete(registry, digest, Leaving { with_it: &with_it, moved }, look_again).await
}

/// Sets the tags again that vanished with a manifest: somebody moved them to it in the moment of its deletion. A tag whose
/// former target is there still was not deleted by its owner, where tags go with their manifest alone.
async fn bring_back(
    view: &View<'_>,
    before: &Tags,
    now: &Graph,
    deleted: &Digest,
    report: &mut Report,
) -> Result<bool, CleanError> {
    let Some(manifest) = view.manifest(deleted).filter(|_| view.driver.deletes_tags_with_manifests()) else {
        return Ok(false);
    };
    let mut is_back = false;
    for (tag, at) in before.iter().filter(|(tag, at)| !now.tags.contains_key(*tag) && !at.contains(deleted)) {
        let mut is_left = false;
        for digest in at {
            is_left |= view.registry.has_manifest(digest).await?;
        }
        if is_left && view.registry.resolve(tag).await?.is_none() {
            view.registry.put_manifest(Name::Tag(tag), manifest).await?;
            report
                .warnings
                .push(format!("{tag} was moved to {} while that was removed: both were put back", short(deleted)));
            if let Some(item) = report.item(deleted) {
                item.becomes(Outcome::PutBack, format!("{tag} holds it"));
            }
            is_back = true;
        }
    }
    Ok(is_back)
}

fn settle(view: &View<'_>, digest: &Digest, outcome: &Deletion, report: &mut Report) {
    match outcome {
        Deletion::Gone => {
            report.restore.extend(view.driver.restore_command(digest));
            if let Some(item) = report.item(digest) {
                item.outcome = Outcome::Removed;
            }
        }
        Deletion::Absent => {
            if let Some(item) = report.item(digest) {
                item.becomes(Outcome::Removed, "it was gone already");
            }
        }
        Deletion::Stays(why) => {
            // That somebody tagged it is no trouble; that the tag which left it seems to be there still is.
            let moved = view.floating.as_ref().and_then(Floating::moved);
            let is_held = matches!(why, Stays::Tagged(tags) if !tags.iter().any(|tag| Some(tag) == moved));
            if !is_held {
                report.warnings.push(format!("{} stays: {}", short(digest), why.words()));
            }
            if let Some(item) = report.item(digest) {
                item.becomes(Outcome::Kept, why.words());
            }
        }
    }
}

/// Whether something of ours that stays names a manifest.
fn is_named_by_kept(graph: &Graph, digest: &Digest, report: &Report) -> bool {
    let kept = report.items.iter().filter(|item| item.outcome == Outcome::Kept);
    kept.filter_map(|item| graph.nodes.get(&item.digest)).any(|node| node.children.contains(digest))
}

/// Looks once more at every tag that holds something that was ours, and at the floating one. What somebody came to need
/// in the very moment of its deletion is put back: nobody but the registry itself could have prevented that.
async fn check(view: &mut View<'_>, planned: &Decision, last: Last, report: &mut Report) -> Result<(), CleanError> {
    if let Some(Floating::Moved(tag, digest)) = view.floating.clone()
        && view.registry.resolve(&tag).await?.is_none()
        && let Some(manifest) = view.manifest(&digest).cloned()
    {
        report.warnings.push(format!("{tag} was missing after the clean-up and was set again"));
        view.registry.put_manifest(Name::Tag(&tag), &manifest).await?;
    }
    let mut graph = view.graph().await?;
    if let Some((deleted, tags)) = last
        && bring_back(view, &tags, &graph, &deleted, report).await?
    {
        graph = view.graph().await?;
    }
    let ours: HashSet<&Digest> = planned.verdicts.iter().map(|verdict| &verdict.digest).collect();
    let floating = view.floating.as_ref().and_then(Floating::moved).cloned();
    let mut looked_up = HashSet::new();
    for (tag, at) in &graph.tags {
        let parts = parts(&graph, at);
        if floating.as_ref() != Some(tag) && !parts.iter().any(|part| ours.contains(part)) {
            continue;
        }
        // What others name comes first, so that nothing is put back before its parts.
        for part in parts.iter().rev() {
            if looked_up.insert(part.clone()) && !view.registry.has_manifest(part).await? {
                put_back(view, tag, part, report).await?;
            }
        }
    }
    Ok(())
}

async fn put_back(view: &View<'_>, tag: &Tag, digest: &Digest, report: &mut Report) -> Result<(), RegistryError> {
    let Some(manifest) = view.manifest(digest) else {
        report.warnings.push(format!("{tag} lacks {digest}, which was not there before either"));
        return Ok(());
    };
    view.registry.put_manifest(Name::Digest(digest), manifest).await?;
    report.warnings.push(format!("{tag} came to need {} while it was removed: it was put back", short(digest)));
    if let Some(item) = report.item(digest) {
        item.becomes(Outcome::PutBack, format!("{tag} holds it"));
    }
    Ok(())
}

/// What the given manifests hold, a list before what it names.
fn parts(graph: &Graph, from: &[Digest]) -> Vec<Digest> {
    let mut parts: Vec<Digest> = Vec::new();
    let mut next = from.to_vec();
    while let Some(digest) = next.pop() {
        // A part that is named again moves behind whoever names it.
        parts.retain(|known| *known != digest);
        next.extend(graph.nodes.get(&digest).map(|node| node.children.clone()).unwrap_or_default());
        parts.push(digest);
    }
    parts
}

/// Takes a floating tag away together with what it alone holds, right before it is set anew.
///
/// # Errors
/// Whatever keeps it from that. The tag is where it was then.
pub(super) async fn vacate(view: &mut View<'_>, tag: &Tag, list: &Digest) -> Result<(), CleanError> {
    let (_, decision) = view.decide().await?;
    if view.driver.delete_tag(view.registry, tag).await?.is_some() {
        return Ok(());
    }
    // Where tags go with their manifest, one that others hold stays, and the tag with it, until it is moved.
    if decision.removals.contains(list) {
        let leaving = Leaving { with_it: std::slice::from_ref(tag), moved: None };
        view.driver.delete(view.registry, list, leaving, async || Ok(None)).await?;
    }
    Ok(())
}
