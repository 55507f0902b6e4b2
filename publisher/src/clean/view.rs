//! One look at a repository, made into the graph that a decision needs, and no more than it needs.

use std::collections::{BTreeMap, HashSet};

use super::{
    CleanError, Decision, Graph, decide,
    decide::ours,
    driver::{Driver, Look, Sighting},
    fallback_subject,
    graph::entries,
    library::Library,
};
use crate::{
    oci::{Digest, RawManifest, Tag},
    registry::Registry,
};

/// How often tags that vanish or move in the middle of a look are followed before the look counts as failed.
const FOLLOW_MAX: usize = 3;

/// What a run does with the floating tag.
#[derive(Debug, Clone)]
pub(super) enum Floating {
    /// It was moved to this list.
    Moved(Tag, Digest),
    /// It is taken away.
    Leaves(Tag),
}

impl Floating {
    /// The tag, if it was moved.
    pub(super) fn moved(&self) -> Option<&Tag> {
        match self {
            Self::Moved(tag, _) => Some(tag),
            Self::Leaves(_) => None,
        }
    }
}

/// What is looked at, and what is known of it beforehand.
pub(super) struct View<'a> {
    pub(super) registry: &'a Registry,
    pub(super) driver: &'a Driver,
    pub(super) library: Library<'a>,
    /// What records name.
    recorded: Vec<Digest>,
    /// The tag that this run moves, if it does.
    pub(super) floating: Option<Floating>,
}

impl<'a> View<'a> {
    pub(super) fn new(registry: &'a Registry, driver: &'a Driver, recorded: Vec<Digest>) -> Self {
        Self { registry, driver, library: Library::new(registry), recorded, floating: None }
    }

    /// Looks, and decides by what was seen.
    pub(super) async fn decide(&mut self) -> Result<(Graph, Decision), CleanError> {
        let graph = self.graph().await?;
        let decision = decide(&graph, &self.recorded)?;
        Ok((graph, decision))
    }

    /// Looks.
    pub(super) async fn graph(&mut self) -> Result<Graph, CleanError> {
        self.library.learn_wholly(self.recorded.clone()).await?;
        self.learn_referrers().await?;
        let mut look = self.driver.look(self.registry, &self.sought(&Look::default())).await?;
        self.learn_companions(&look).await?;
        let sought = self.sought(&look);
        if look.shortened && !sought.iter().all(|digest| look.born.contains_key(digest)) {
            // Something that is ours came to light which the listing, as far as it was read, does not have.
            look = self.driver.look(self.registry, &sought).await?;
            self.learn_companions(&look).await?;
        }
        self.settle(&mut look).await?;
        self.learn_related(&mut look).await?;
        Ok(self.graph_of(&look))
    }

    /// Everything that is ours as far as it is known, without what is known to be gone.
    fn sought(&self, look: &Look) -> HashSet<Digest> {
        let ours = ours(&self.graph_of(look), &self.recorded);
        ours.into_iter().filter(|digest| !self.library.lacks(digest)).collect()
    }

    /// Reads what the registry says to be about what is ours.
    async fn learn_referrers(&mut self) -> Result<(), CleanError> {
        if !self.driver.has_referrers() || self.library.knows_referrers {
            return Ok(());
        }
        for digest in self.sought(&Look::default()) {
            let Some(index) = self.registry.referrers(&digest).await? else { continue };
            let unreadable =
                || CleanError::Unreadable { digest: index.digest.clone(), registry: self.registry.name().into() };
            let (node, _) = entries(&index).ok_or_else(unreadable)?;
            self.library.learn_wholly(node.children).await?;
        }
        self.library.knows_referrers = true;
        Ok(())
    }

    /// Reads what fallback tags of ours point at, until there is no more of it.
    async fn learn_companions(&mut self, look: &Look) -> Result<(), CleanError> {
        loop {
            let ours = self.sought(look);
            let about_ours = |it: &&Sighting| fallback_subject(&it.tag).is_some_and(|subject| ours.contains(&subject));
            let companions = look.sightings.iter().filter(about_ours).map(|it| it.digest.clone());
            let unread: Vec<_> = companions
                .filter(|digest| self.library.manifest(digest).is_none() && !self.library.lacks(digest))
                .collect();
            if unread.is_empty() {
                return Ok(());
            }
            self.library.learn_wholly(unread).await?;
        }
    }

    /// Asks the registry itself where the floating tag is: a listing may lag, and what this run knows may be past.
    async fn settle(&self, look: &mut Look) -> Result<(), CleanError> {
        let (tag, at) = match &self.floating {
            None => return Ok(()),
            Some(Floating::Moved(tag, to)) => (tag, self.registry.resolve(tag).await?.or_else(|| Some(to.clone()))),
            Some(Floating::Leaves(tag)) => (tag, None),
        };
        look.sightings.retain(|sighting| sighting.tag != *tag);
        look.sightings.extend(at.map(|digest| Sighting { tag: tag.clone(), digest, images: None, since: None }));
        Ok(())
    }

    /// Reads every tag that can have to do with what is ours. One that vanished or moved since it was listed is followed.
    async fn learn_related(&mut self, look: &mut Look) -> Result<(), CleanError> {
        let ours = self.sought(look);
        for _ in 0..FOLLOW_MAX {
            let related = look.sightings.iter().filter(|sighting| look.is_related(sighting, &ours));
            self.library.learn(related.map(|sighting| sighting.digest.clone())).await?;
            let Some(lost) = look.sightings.iter().position(|sighting| self.is_lost(sighting)) else { return Ok(()) };
            let Sighting { tag, digest, .. } = look.sightings.swap_remove(lost);
            match self.registry.resolve(&tag).await? {
                Some(seen) if seen == digest => {
                    return Err(CleanError::Unreadable { digest, registry: self.registry.name().into() });
                }
                Some(digest) => look.sightings.push(Sighting { tag, digest, images: None, since: None }),
                None => {}
            }
        }
        let digest = look.sightings.iter().find(|sighting| self.is_lost(sighting)).map(|it| it.digest.clone());
        match digest {
            Some(digest) => Err(CleanError::Unreadable { digest, registry: self.registry.name().into() }),
            None => Ok(()),
        }
    }

    /// Whether a tag points at something that was looked for in vain. What this run removed itself was read before.
    fn is_lost(&self, sighting: &Sighting) -> bool {
        self.library.lacks(&sighting.digest) && self.library.manifest(&sighting.digest).is_none()
    }

    fn graph_of(&self, look: &Look) -> Graph {
        let mut tags: BTreeMap<Tag, Vec<Digest>> = BTreeMap::new();
        let mut nodes = self.library.nodes.clone();
        for Sighting { tag, digest, .. } in &look.sightings {
            let targets = tags.entry(tag.clone()).or_default();
            if !targets.contains(digest) {
                targets.push(digest.clone());
            }
            // What need not be read has nothing of ours, so it stands here without its parts.
            if !self.library.lacks(digest) {
                nodes.entry(digest.clone()).or_default();
            }
        }
        Graph { tags, nodes }
    }

    /// The bytes of a manifest that was read.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<&RawManifest> {
        self.library.manifest(digest)
    }
}
