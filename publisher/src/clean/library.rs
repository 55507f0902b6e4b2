//! Manifests as they are read: by digest, each once, believed only as what its bytes say.

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;

use super::{CleanError, Node, graph::entries};
use crate::{
    oci::{Digest, RawManifest},
    registry::{Name, Registry},
};

/// How many manifests are read at once.
const READS_MAX: usize = 8;

/// What is known of a repository's manifests. Content never changes under a digest, so it only ever grows.
pub(super) struct Library<'a> {
    registry: &'a Registry,
    pub(super) nodes: HashMap<Digest, Node>,
    manifests: HashMap<Digest, RawManifest>,
    /// What was looked for in vain.
    absent: HashSet<Digest>,
    /// Whether the registry was asked for what refers to what is ours.
    pub(super) knows_referrers: bool,
}

impl<'a> Library<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            nodes: HashMap::new(),
            manifests: HashMap::new(),
            absent: HashSet::new(),
            knows_referrers: false,
        }
    }

    /// Puts in what is known already.
    pub(super) fn put(&mut self, manifest: RawManifest) -> Result<(), CleanError> {
        let unreadable =
            || CleanError::Unreadable { digest: manifest.digest.clone(), registry: self.registry.name().into() };
        let (node, entries) = entries(&manifest).ok_or_else(unreadable)?;
        self.nodes.insert(manifest.digest.clone(), node);
        for entry in entries.into_iter().filter(|entry| entry.leaf) {
            self.nodes.entry(entry.digest).or_default();
        }
        self.manifests.insert(manifest.digest.clone(), manifest);
        Ok(())
    }

    /// The bytes of a manifest that was read.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<&RawManifest> {
        self.manifests.get(digest)
    }

    /// Reads manifests and the lists that they name, to any depth. What is not there is remembered as absent.
    pub(super) async fn learn(&mut self, roots: impl IntoIterator<Item = Digest>) -> Result<(), CleanError> {
        self.walk(roots, |library, digest| library.manifests.contains_key(digest), false).await
    }

    /// Reads manifests and everything that they name, images too: what may be removed may have to be put back.
    pub(super) async fn learn_wholly(&mut self, roots: impl IntoIterator<Item = Digest>) -> Result<(), CleanError> {
        self.walk(roots, |library, digest| library.manifests.contains_key(digest), true).await
    }

    /// Whether a manifest was looked for in vain.
    pub(super) fn lacks(&self, digest: &Digest) -> bool {
        self.absent.contains(digest)
    }

    async fn walk(
        &mut self,
        roots: impl IntoIterator<Item = Digest>,
        known: impl Fn(&Self, &Digest) -> bool,
        leaves_too: bool,
    ) -> Result<(), CleanError> {
        let mut seen = HashSet::new();
        let mut next: Vec<Digest> = roots.into_iter().collect();
        while !next.is_empty() {
            next.retain(|digest| seen.insert(digest.clone()));
            let wanted: Vec<_> =
                next.iter().filter(|digest| !known(self, digest) && !self.absent.contains(*digest)).cloned().collect();
            for some in wanted.chunks(READS_MAX) {
                let registry = self.registry;
                let read = some.iter().map(async |digest| registry.manifest(Name::Digest(digest)).await);
                for (digest, manifest) in some.iter().zip(try_join_all(read).await?) {
                    match manifest {
                        Some(manifest) => self.put(manifest)?,
                        None => _ = self.absent.insert(digest.clone()),
                    }
                }
            }
            let named = next.iter().filter_map(|digest| self.nodes.get(digest)).flat_map(|node| node.children.clone());
            let unread = |digest: &Digest| leaves_too || !self.nodes.contains_key(digest) || self.nodes[digest].list;
            next = named.filter(unread).collect();
        }
        Ok(())
    }
}
