//! Carries a decision out: another scan before each deletion, and one at the end to see that no tag has lost anything.

use std::collections::{BTreeMap, HashSet};

use super::{
    Graph, Outcome, Problem, Report, decide,
    driver::{Deletion, IN_USE},
    scan::Scanner,
};
use crate::{
    oci::{Digest, Tag, short},
    registry::Name,
};

struct Sweep<'a> {
    scanner: Scanner<'a>,
    /// The newest scan.
    graph: Graph,
    rescans: bool,
    /// The last manifest that was deleted, and the tags before that.
    last: Option<(Digest, BTreeMap<Tag, Vec<Digest>>)>,
    report: &'a mut Report,
}

/// Deletes `removals`, and says in the report what happened to each of its items. With `rescans`, scans again before each
/// deletion.
///
/// # Errors
/// The first error. Nothing is removed after it.
pub(super) async fn sweep(
    scanner: Scanner<'_>,
    graph: Graph,
    removals: Vec<Digest>,
    rescans: bool,
    report: &mut Report,
) -> Result<(), Problem> {
    if removals.is_empty() {
        return Ok(());
    }
    let mut sweep = Sweep { scanner, graph, rescans, last: None, report };
    let removed = sweep.remove_all(&removals).await;
    let checked = if rescans { sweep.check().await } else { Ok(()) };
    for item in sweep.report.items.iter_mut().filter(|item| item.outcome == Outcome::Planned) {
        item.becomes(Outcome::Kept, "the clean-up stopped before it");
    }
    removed.and(checked)
}

impl Sweep<'_> {
    async fn remove_all(&mut self, removals: &[Digest]) -> Result<(), Problem> {
        for digest in removals {
            let mut kept = None;
            if self.rescans {
                self.graph = self.scanner.graph().await?;
                // A tag that was set again needs what its target names.
                if self.restore_tags().await? {
                    return Ok(());
                }
                kept = kept_by(&self.graph, &self.scanner.recorded, digest, self.report)?;
            }
            let deletion = match kept {
                Some(kept) => kept,
                None => self.delete(digest).await?,
            };
            if deletion == Deletion::Deleted {
                self.last = Some((digest.clone(), self.graph.tags.clone()));
            }
            self.record(digest, &deletion);
        }
        Ok(())
    }

    /// Deletes a manifest with the tags that point at it: no surviving tag does. Where tags are deleted apart, they go
    /// first. Scans again before a second attempt.
    async fn delete(&mut self, digest: &Digest) -> Result<Deletion, Problem> {
        let Self { scanner, graph, rescans, report, .. } = self;
        let (registry, driver, moved) = (scanner.registry, scanner.driver, scanner.moved.clone());
        let tags = graph.tags.iter().filter(|(_, targets)| targets.contains(digest));
        let tags: Vec<Tag> = tags.map(|(tag, _)| tag.clone()).collect();
        for tag in &tags {
            if let Some(kept @ Deletion::Kept(_)) = driver.delete_tag(registry, tag).await? {
                return Ok(kept);
            }
        }
        let (mut is_stale, mut known) = (false, graph.tags.clone());
        let check = async || {
            // A scan that asks for each tag takes a while: look for tags that were set meanwhile.
            while *rescans
                && (is_stale
                    || (driver.resolves_every_tag()
                        && registry.tags().await?.iter().any(|tag| !known.contains_key(tag))))
            {
                // The answer to the deletion says whether it is gone.
                if !registry.has_manifest(digest).await? {
                    break;
                }
                let graph = scanner.graph().await?;
                if let Some(kept) = kept_by(&graph, &scanner.recorded, digest, report)? {
                    return Ok(Some(kept));
                }
                (is_stale, known) = (false, graph.tags);
            }
            is_stale = true;
            Ok(None)
        };
        driver.delete(registry, digest, &tags, moved.as_ref().map(|(tag, _)| tag), check).await
    }

    fn record(&mut self, digest: &Digest, deletion: &Deletion) {
        let moved = self.moved_tag().cloned();
        let Some(item) = self.report.items.iter_mut().find(|item| item.digest == *digest) else { return };
        match deletion {
            Deletion::Deleted => {
                item.outcome = Outcome::Removed;
                if self.rescans {
                    self.report.restore.extend(self.scanner.driver.restore_command(digest));
                }
            }
            Deletion::Absent => item.becomes(Outcome::Removed, deletion.to_string()),
            kept => {
                item.becomes(Outcome::Kept, kept.to_string());
                // Another user's tag is a good reason. The tag that was moved away is not.
                let is_good =
                    matches!(kept, Deletion::Tagged(tags) if moved.is_none_or(|moved| !tags.contains(&moved)));
                if !is_good {
                    self.report.warnings.push(format!("{} stays: {kept}", short(digest)));
                }
            }
        }
    }

    fn moved_tag(&self) -> Option<&Tag> {
        self.scanner.moved.as_ref().map(|(tag, _)| tag)
    }

    /// Sets tags again that vanished with a manifest: another user moved them to it in the moment of its deletion. A
    /// tag whose former target is still there was not deleted by its owner, where only the deletion of a manifest
    /// removes a tag. Returns whether there was one.
    async fn restore_tags(&mut self) -> Result<bool, Problem> {
        let last = self.last.take().filter(|_| !self.scanner.driver.deletes_tags());
        let Some((deleted, tags)) = last else { return Ok(false) };
        let Some(manifest) = self.scanner.manifest(&deleted) else { return Ok(false) };
        let registry = self.scanner.registry;
        let mut is_restored = false;
        for (tag, targets) in &tags {
            if self.graph.tags.contains_key(tag) || targets.contains(&deleted) {
                continue;
            }
            let mut is_target_left = false;
            for digest in targets {
                is_target_left |= registry.has_manifest(digest).await?;
            }
            if is_target_left && registry.resolve(tag).await?.is_none() {
                registry.put_manifest(Name::Tag(tag), manifest).await?;
                let warning =
                    format!("{tag} was moved to {} while that was removed: both were put back", short(&deleted));
                self.report.put_back(&deleted, tag, warning);
                is_restored = true;
            }
        }
        Ok(is_restored)
    }

    /// Scans once more and looks up the parts of every tag that reaches something of ours, and of the floating one. What
    /// another user came to need in the moment of its deletion is put back: only the registry could have prevented that.
    async fn check(&mut self) -> Result<(), Problem> {
        let registry = self.scanner.registry;
        if let Some((tag, digest)) = &self.scanner.moved
            && registry.resolve(tag).await?.is_none()
            && let Some(manifest) = self.scanner.manifest(digest)
        {
            self.report.warnings.push(format!("{tag} was missing after the clean-up and was set again"));
            registry.put_manifest(Name::Tag(tag), manifest).await?;
        }
        self.graph = self.scanner.graph().await?;
        if self.restore_tags().await? {
            self.graph = self.scanner.graph().await?;
        }
        let ours: HashSet<Digest> = self.report.items.iter().map(|item| item.digest.clone()).collect();
        let mut looked_up = HashSet::new();
        for (tag, targets) in self.graph.tags.clone() {
            let parts = parts(&self.graph, targets);
            if self.moved_tag() != Some(&tag) && !parts.iter().any(|part| ours.contains(part)) {
                continue;
            }
            // Parts first, so that no list is put back before what it names.
            for part in parts.iter().rev() {
                if !looked_up.insert(part.clone()) || registry.has_manifest(part).await? {
                    continue;
                }
                let Some(manifest) = self.scanner.manifest(part) else {
                    self.report.warnings.push(format!("{tag} lacks {part}, which was not there before either"));
                    continue;
                };
                registry.put_manifest(Name::Digest(part), manifest).await?;
                let warning = format!("{tag} came to need {} while it was removed: it was put back", short(part));
                self.report.put_back(part, &tag, warning);
            }
        }
        Ok(())
    }
}

/// What keeps a manifest by this scan. Nothing is deleted unless the newest scan says so too.
fn kept_by(graph: &Graph, recorded: &[Digest], digest: &Digest, report: &Report) -> Result<Option<Deletion>, Problem> {
    let decision = decide(graph, recorded)?;
    // A list that was kept keeps what it names.
    let mut kept = report.items.iter().filter(|item| item.outcome == Outcome::Kept);
    Ok(match decision.item(digest).map(|item| &item.kept_by) {
        Some(Some(tag)) => Some(Deletion::Tagged(vec![tag.clone()])),
        Some(None) if !kept.any(|item| graph.children(&item.digest).contains(digest)) => None,
        _ => Some(Deletion::Kept(IN_USE)),
    })
}

/// Everything that the given manifests name, to any depth, a list before what it names.
fn parts(graph: &Graph, mut next: Vec<Digest>) -> Vec<Digest> {
    let mut parts: Vec<Digest> = Vec::new();
    while let Some(digest) = next.pop() {
        // A part that is named again moves behind the list that names it.
        parts.retain(|known| *known != digest);
        next.extend_from_slice(graph.children(&digest));
        parts.push(digest);
    }
    parts
}
