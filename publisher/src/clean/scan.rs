//! Reads a repository into the graph that a decision needs, and no more of it than that.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::future::try_join_all;

use super::{
    Graph, Node, Problem,
    decide::ours,
    driver::{Driver, Listing, TagEntry},
    graph::{fallback_subject, parse},
};
use crate::{
    oci::{Digest, RawManifest, Tag},
    registry::{Name, Registry},
};

/// How often the tags that vanished or moved during a scan are looked up again before the scan fails.
const FOLLOW_MAX: usize = 4;
/// How many manifests are read at once.
const READS_MAX: usize = 8;

/// Scans one repository, any number of times.
pub(super) struct Scanner<'a> {
    pub(super) registry: &'a Registry,
    pub(super) driver: &'a Driver,
    /// The manifests that were read, `None` if the registry does not have it. Content never changes under a digest, so
    /// each is read once.
    manifests: HashMap<Digest, Option<RawManifest>>,
    /// What is known of manifests, also of images that were not read.
    pub(super) nodes: HashMap<Digest, Node>,
    pub(super) recorded: Vec<Digest>,
    /// The floating tag and the list that this run moved it to.
    pub(super) moved: Option<(Tag, Digest)>,
    has_read_referrers: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(registry: &'a Registry, driver: &'a Driver, recorded: Vec<Digest>) -> Self {
        let (manifests, nodes) = (HashMap::new(), HashMap::new());
        Self { registry, driver, manifests, nodes, recorded, moved: None, has_read_referrers: false }
    }

    /// Scans the repository.
    pub(super) async fn graph(&mut self) -> Result<Graph, Problem> {
        self.read(self.recorded.clone(), true).await?;
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

    /// A manifest that was read.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<&RawManifest> {
        self.manifests.get(digest)?.as_ref()
    }

    /// Adds a manifest whose bytes are known.
    pub(super) fn put(&mut self, manifest: RawManifest) -> Result<(), Problem> {
        let (node, images) = parse(&manifest).ok_or_else(|| self.unreadable(&manifest.digest))?;
        self.nodes.insert(manifest.digest.clone(), node);
        for image in images {
            self.nodes.entry(image).or_default();
        }
        self.manifests.insert(manifest.digest.clone(), Some(manifest));
        Ok(())
    }

    /// Reads manifests and the lists that they name, to any depth; with `images` the images too, since what may be
    /// removed may have to be put back.
    pub(super) async fn read(&mut self, roots: Vec<Digest>, images: bool) -> Result<(), Problem> {
        let (mut seen, mut next) = (HashSet::new(), roots);
        while !next.is_empty() {
            next.retain(|digest| seen.insert(digest.clone()));
            let unread: Vec<_> = next.iter().filter(|digest| !self.manifests.contains_key(digest)).cloned().collect();
            for some in unread.chunks(READS_MAX) {
                let registry = self.registry;
                let reads = some.iter().map(async |digest| registry.manifest(Name::Digest(digest)).await);
                for (digest, manifest) in some.iter().zip(try_join_all(reads).await?) {
                    match manifest {
                        Some(manifest) => self.put(manifest)?,
                        None => _ = self.manifests.insert(digest.clone(), None),
                    }
                }
            }
            let children = next.iter().filter_map(|digest| self.nodes.get(digest)).flat_map(|node| &node.children);
            let is_wanted = |child: &&Digest| images || self.nodes.get(child).is_none_or(|node| node.list);
            next = children.filter(is_wanted).cloned().collect();
        }
        Ok(())
    }

    fn unreadable(&self, digest: &Digest) -> Problem {
        Problem::new(format!("manifest {digest} cannot be read from {}", self.registry.name))
    }

    /// Whether the registry answered that it does not have a manifest.
    fn is_absent(&self, digest: &Digest) -> bool {
        matches!(self.manifests.get(digest), Some(None))
    }

    /// Everything that is ours as far as it is known, without what is known to be gone.
    fn ours(&self, listing: &Listing) -> HashSet<Digest> {
        let mut ours = ours(&self.graph_of(listing), &self.recorded);
        ours.retain(|digest| !self.is_absent(digest));
        ours
    }

    /// Reads once what the referrers API lists for what is ours.
    async fn read_referrers(&mut self) -> Result<(), Problem> {
        if self.has_read_referrers || !self.driver.has_referrers() {
            return Ok(());
        }
        for digest in self.ours(&Listing::default()) {
            let Some(index) = self.registry.referrers(&digest).await? else { continue };
            let (node, _) = parse(&index).ok_or_else(|| self.unreadable(&index.digest))?;
            self.read(node.children, true).await?;
        }
        self.has_read_referrers = true;
        Ok(())
    }

    /// Reads what fallback tags of ours point at, until nothing new is found.
    async fn read_fallback_referrers(&mut self, listing: &Listing) -> Result<(), Problem> {
        loop {
            let ours = self.ours(listing);
            let is_ours = |tag: &Tag| fallback_subject(tag).is_some_and(|subject| ours.contains(&subject));
            let referrers = listing.tags.iter().filter(|entry| is_ours(&entry.tag)).map(|entry| entry.digest.clone());
            let unread: Vec<_> = referrers.filter(|digest| !self.manifests.contains_key(digest)).collect();
            if unread.is_empty() {
                return Ok(());
            }
            self.read(unread, true).await?;
        }
    }

    /// Reads the target of every tag that may reach what is ours. A tag that vanished or moved since it was listed is
    /// looked up again.
    async fn read_related(&mut self, listing: &mut Listing) -> Result<(), Problem> {
        let ours = self.ours(listing);
        for _ in 0..FOLLOW_MAX {
            let related = listing.tags.iter().filter(|entry| listing.may_reach(entry, &ours));
            self.read(related.map(|entry| entry.digest.clone()).collect(), false).await?;
            let lost: Vec<_> = listing.tags.extract_if(.., |entry| self.is_absent(&entry.digest)).collect();
            if lost.is_empty() {
                return Ok(());
            }
            for TagEntry { tag, digest, .. } in lost {
                match self.registry.resolve(&tag).await? {
                    Some(now) if now == digest => return Err(self.unreadable(&digest)),
                    Some(now) => listing.tags.push(TagEntry::new(tag, now)),
                    None => {}
                }
            }
        }
        Err(Problem::new("tags move faster than they can be read"))
    }

    fn graph_of(&self, listing: &Listing) -> Graph {
        let mut tags: BTreeMap<Tag, Vec<Digest>> = BTreeMap::new();
        let mut nodes = self.nodes.clone();
        for TagEntry { tag, digest, .. } in &listing.tags {
            let targets = tags.entry(tag.clone()).or_default();
            if !targets.contains(digest) {
                targets.push(digest.clone());
            }
            // A target that need not be read reaches nothing of ours, so it is added without children.
            if !self.is_absent(digest) {
                nodes.entry(digest.clone()).or_default();
            }
        }
        Graph { tags, nodes }
    }
}
