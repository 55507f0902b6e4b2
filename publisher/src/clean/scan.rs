//! Reads a repository into the graph that a decision needs, and no more of it than that.

use std::collections::{BTreeMap, HashSet};

use super::{
    CleanError, Decision, Graph, decide,
    decide::ours,
    driver::{Driver, Listing, TagEntry},
    fallback_subject,
    graph::parse,
    manifest_cache::ManifestCache,
};
use crate::{
    oci::{Digest, Tag},
    registry::Registry,
};

/// How often tags that vanish or move during a scan are followed before the scan fails.
const FOLLOW_MAX: usize = 3;

/// Scans one repository, any number of times.
pub(super) struct Scanner<'a> {
    pub(super) registry: &'a Registry,
    pub(super) driver: &'a Driver,
    pub(super) manifests: ManifestCache<'a>,
    recorded: Vec<Digest>,
    /// The floating tag and the list that this run moved it to.
    pub(super) moved: Option<(Tag, Digest)>,
    /// Tags that are removed with their manifest.
    pub(super) expiring: HashSet<Tag>,
    has_read_referrers: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(registry: &'a Registry, driver: &'a Driver, recorded: Vec<Digest>) -> Self {
        let manifests = ManifestCache::new(registry);
        let expiring = HashSet::new();
        Self { registry, driver, manifests, recorded, moved: None, expiring, has_read_referrers: false }
    }

    /// Scans the repository and decides.
    pub(super) async fn decide(&mut self) -> Result<(Graph, Decision), CleanError> {
        let graph = self.graph().await?;
        let decision = self.decide_on(&graph)?;
        Ok((graph, decision))
    }

    /// Decides on a graph that was scanned.
    pub(super) fn decide_on(&self, graph: &Graph) -> Result<Decision, CleanError> {
        Ok(decide(graph, &self.recorded)?)
    }

    /// Scans the repository.
    pub(super) async fn graph(&mut self) -> Result<Graph, CleanError> {
        self.manifests.read(self.recorded.clone(), true).await?;
        self.read_referrers().await?;
        let mut listing = Listing::default();
        loop {
            listing = self.driver.list(self.registry, &self.ours(&listing)).await?;
            self.read_fallback_referrers(&listing).await?;
            // Referrers that were just read are ours too, and may be older than the part of the listing that was read.
            if !listing.is_partial || self.ours(&listing).iter().all(|it| listing.created_at.contains_key(it)) {
                break;
            }
        }
        // A listing may lag, so the registry is asked where the floating tag is now.
        if let Some((tag, list)) = &self.moved {
            let digest = self.registry.resolve(tag).await?.unwrap_or_else(|| list.clone());
            listing.tags.retain(|entry| entry.tag != *tag);
            listing.tags.push(TagEntry::new(tag.clone(), digest));
        }
        self.read_related(&mut listing).await?;
        Ok(self.graph_of(&listing))
    }

    /// Everything that is ours as far as it is known, without what is known to be gone.
    fn ours(&self, listing: &Listing) -> HashSet<Digest> {
        let mut ours = ours(&self.graph_of(listing), &self.recorded);
        ours.retain(|digest| !self.manifests.is_absent(digest));
        ours
    }

    /// Reads what the referrers API lists for what is ours.
    async fn read_referrers(&mut self) -> Result<(), CleanError> {
        if self.has_read_referrers || !self.driver.has_referrers() {
            return Ok(());
        }
        for digest in self.ours(&Listing::default()) {
            let Some(index) = self.registry.referrers(&digest).await? else { continue };
            let (node, _) = parse(&index).ok_or_else(|| self.manifests.unreadable(&index.digest))?;
            self.manifests.read(node.children, true).await?;
        }
        self.has_read_referrers = true;
        Ok(())
    }

    /// Reads what fallback tags of ours point at, until nothing new is found.
    async fn read_fallback_referrers(&mut self, listing: &Listing) -> Result<(), CleanError> {
        loop {
            let ours = self.ours(listing);
            let is_unread = |entry: &&TagEntry| {
                fallback_subject(&entry.tag).is_some_and(|subject| ours.contains(&subject))
                    && self.manifests.get(&entry.digest).is_none()
                    && !self.manifests.is_absent(&entry.digest)
            };
            let unread: Vec<_> = listing.tags.iter().filter(is_unread).map(|entry| entry.digest.clone()).collect();
            if unread.is_empty() {
                return Ok(());
            }
            self.manifests.read(unread, true).await?;
        }
    }

    /// Reads the target of every tag that may reach what is ours. A tag that vanished or moved since it was listed is
    /// looked up again.
    async fn read_related(&mut self, listing: &mut Listing) -> Result<(), CleanError> {
        let ours = self.ours(listing);
        let mut follows = 0;
        loop {
            let related = listing.tags.iter().filter(|entry| listing.may_reach(entry, &ours));
            self.manifests.read(related.map(|entry| entry.digest.clone()).collect(), false).await?;
            // What this run has removed itself was read before.
            let is_lost =
                |it: &TagEntry| self.manifests.is_absent(&it.digest) && self.manifests.get(&it.digest).is_none();
            let Some(at) = listing.tags.iter().position(is_lost) else { return Ok(()) };
            let lost = listing.tags.swap_remove(at);
            match self.registry.resolve(&lost.tag).await? {
                Some(digest) if digest == lost.digest || follows >= FOLLOW_MAX => {
                    return Err(self.manifests.unreadable(&digest));
                }
                Some(digest) => listing.tags.push(TagEntry::new(lost.tag, digest)),
                None => {}
            }
            follows += 1;
        }
    }

    fn graph_of(&self, listing: &Listing) -> Graph {
        let mut tags: BTreeMap<Tag, Vec<Digest>> = BTreeMap::new();
        let mut nodes = self.manifests.nodes.clone();
        for TagEntry { tag, digest, .. } in &listing.tags {
            let targets = tags.entry(tag.clone()).or_default();
            if !targets.contains(digest) {
                targets.push(digest.clone());
            }
            // A target that need not be read reaches nothing of ours, so it is added without children.
            if !self.manifests.is_absent(digest) {
                nodes.entry(digest.clone()).or_default();
            }
        }
        Graph { tags, nodes, expiring: self.expiring.clone() }
    }
}
