//! Carries a decision out: another scan before each deletion, and one at the end to see that no tag has lost anything.

use std::collections::{BTreeMap, HashSet};

use super::{
    CleanError, Decision, Graph, Outcome, Report,
    driver::{Blocker, Deletion, Removal},
    scan::Scanner,
};
use crate::{
    oci::{Digest, Tag, short},
    registry::{Name, RegistryError},
};

type Tags = BTreeMap<Tag, Vec<Digest>>;

struct Sweep<'a> {
    scanner: Scanner<'a>,
    /// The newest scan.
    graph: Graph,
    planned: Decision,
    rescans: bool,
    /// The last manifest that was deleted, and the tags before that.
    last: Option<(Digest, Tags)>,
    report: &'a mut Report,
}

/// Removes what `planned` names, and says in the report what happened to each of its items. With `rescans`, scans again
/// before each deletion.
///
/// # Errors
/// The first error. Nothing is removed after it.
pub(super) async fn sweep(
    scanner: Scanner<'_>,
    graph: Graph,
    planned: Decision,
    rescans: bool,
    report: &mut Report,
) -> Result<(), CleanError> {
    if planned.removals.is_empty() {
        return Ok(());
    }
    let mut sweep = Sweep { scanner, graph, planned, rescans, last: None, report };
    let removed = sweep.remove_all().await;
    let checked = if rescans { sweep.check().await } else { Ok(()) };
    for item in sweep.report.items.iter_mut().filter(|item| item.outcome == Outcome::Planned) {
        item.becomes(Outcome::Kept, "the clean-up stopped before it");
    }
    removed.and(checked)
}

impl Sweep<'_> {
    async fn remove_all(&mut self) -> Result<(), CleanError> {
        let mut decision = self.planned.clone();
        for digest in self.planned.removals.clone() {
            if self.rescans {
                self.graph = self.scanner.graph().await?;
                // A tag that was set again needs what its target names.
                if self.restore_tags().await? {
                    return Ok(());
                }
                decision = self.scanner.decide_on(&self.graph)?;
            }
            let deletion = match blocker(&self.graph, &decision, &digest, self.report) {
                Some(blocker) => Deletion::Kept(blocker),
                None => self.delete(&digest).await?,
            };
            if deletion == Deletion::Deleted {
                self.last = Some((digest.clone(), self.graph.tags.clone()));
            }
            self.record(&digest, &deletion);
        }
        Ok(())
    }

    /// Deletes a manifest with the tags that point at it: no surviving tag does. Where tags are deleted apart, they go
    /// first. Scans again before a second attempt.
    async fn delete(&mut self, digest: &Digest) -> Result<Deletion, CleanError> {
        let Self { scanner, graph, rescans, report, .. } = self;
        let (registry, driver, moved) = (scanner.registry, scanner.driver, scanner.moved.clone());
        let tags = graph.tags_of(digest);
        for tag in &tags {
            if let Some(kept @ Deletion::Kept(_)) = driver.delete_tag(registry, tag).await? {
                return Ok(kept);
            }
        }
        let (mut is_stale, mut known) = (false, graph.tags.clone());
        let check = async || {
            if !*rescans {
                return Ok(None);
            }
            loop {
                // A scan that asks for each tag takes a while: look for tags that were set meanwhile.
                let is_current = !is_stale
                    && (!driver.resolves_every_tag()
                        || registry.tags().await?.iter().all(|tag| known.contains_key(tag)));
                is_stale = true;
                // The answer to the deletion says whether it is gone.
                if is_current || !registry.has_manifest(digest).await? {
                    return Ok(None);
                }
                let (graph, decision) = scanner.decide().await?;
                if let Some(blocker) = blocker(&graph, &decision, digest, report) {
                    return Ok(Some(Deletion::Kept(blocker)));
                }
                (is_stale, known) = (false, graph.tags);
            }
        };
        let removal = Removal { digest, tags: &tags, moved: moved.as_ref().map(|(tag, _)| tag) };
        driver.delete(registry, removal, check).await
    }

    fn record(&mut self, digest: &Digest, deletion: &Deletion) {
        let Some(item) = self.report.items.iter_mut().find(|item| item.digest == *digest) else { return };
        match deletion {
            Deletion::Deleted => item.outcome = Outcome::Removed,
            Deletion::Absent => item.becomes(Outcome::Removed, "it was gone already"),
            Deletion::Kept(blocker) => item.becomes(Outcome::Kept, blocker.to_string()),
        }
        match deletion {
            Deletion::Deleted if self.rescans => {
                self.report.restore.extend(self.scanner.driver.restore_command(digest));
            }
            // Another user's tag is a good reason. The tag that was moved away is not.
            Deletion::Kept(Blocker::Tagged(tags)) if !tags.iter().any(|tag| Some(tag) == self.moved_tag()) => {}
            Deletion::Kept(blocker) => self.report.warnings.push(format!("{} stays: {blocker}", short(digest))),
            Deletion::Deleted | Deletion::Absent => {}
        }
    }

    fn moved_tag(&self) -> Option<&Tag> {
        self.scanner.moved.as_ref().map(|(tag, _)| tag)
    }

    /// Sets tags again that vanished with a manifest: another user moved them to it in the moment of its deletion. A
    /// tag whose former target is still there was not deleted by its owner, where only the deletion of a manifest
    /// removes a tag. Returns whether there was one.
    async fn restore_tags(&mut self) -> Result<bool, CleanError> {
        let Some((deleted, tags)) = self.last.take() else { return Ok(false) };
        if self.scanner.driver.deletes_tags() {
            return Ok(false);
        }
        let Some(manifest) = self.scanner.manifests.get(&deleted) else { return Ok(false) };
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
    async fn check(&mut self) -> Result<(), CleanError> {
        let registry = self.scanner.registry;
        if let Some((tag, digest)) = &self.scanner.moved
            && registry.resolve(tag).await?.is_none()
            && let Some(manifest) = self.scanner.manifests.get(digest)
        {
            self.report.warnings.push(format!("{tag} was missing after the clean-up and was set again"));
            registry.put_manifest(Name::Tag(tag), manifest).await?;
        }
        self.graph = self.scanner.graph().await?;
        if self.restore_tags().await? {
            self.graph = self.scanner.graph().await?;
        }
        let ours: HashSet<Digest> = self.planned.candidates.iter().map(|candidate| candidate.digest.clone()).collect();
        let mut looked_up = HashSet::new();
        for (tag, targets) in self.graph.tags.clone() {
            let parts = parts(&self.graph, targets);
            if self.moved_tag() != Some(&tag) && !parts.iter().any(|part| ours.contains(part)) {
                continue;
            }
            // Parts first, so that no list is put back before what it names.
            for part in parts.iter().rev() {
                if looked_up.insert(part.clone()) && !registry.has_manifest(part).await? {
                    self.put_back(&tag, part).await?;
                }
            }
        }
        Ok(())
    }

    async fn put_back(&mut self, tag: &Tag, digest: &Digest) -> Result<(), RegistryError> {
        let Some(manifest) = self.scanner.manifests.get(digest) else {
            self.report.warnings.push(format!("{tag} lacks {digest}, which was not there before either"));
            return Ok(());
        };
        self.scanner.registry.put_manifest(Name::Digest(digest), manifest).await?;
        let warning = format!("{tag} came to need {} while it was removed: it was put back", short(digest));
        self.report.put_back(digest, tag, warning);
        Ok(())
    }
}

/// What keeps a manifest by the newest scan. Nothing is deleted unless that scan says so too.
fn blocker(graph: &Graph, decision: &Decision, digest: &Digest, report: &Report) -> Option<Blocker> {
    // A list that was kept keeps what it names.
    let mut kept = report.items.iter().filter(|item| item.outcome == Outcome::Kept);
    match decision.candidate(digest).map(|candidate| &candidate.kept_by) {
        Some(Some(tag)) => Some(Blocker::Tagged(vec![tag.clone()])),
        Some(None) if !kept.any(|item| graph.children(&item.digest).contains(digest)) => None,
        _ => Some(Blocker::IN_USE),
    }
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
