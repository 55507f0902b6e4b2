//! The manifests of a repository, read by digest, each once.

use std::collections::{HashMap, HashSet};

use futures::future::try_join_all;

use super::{CleanError, Node, graph::parse};
use crate::{
    oci::{Digest, RawManifest},
    registry::{Name, Registry},
};

/// How many manifests are read at once.
const READS_MAX: usize = 8;

/// What is known of a repository's manifests. Content never changes under a digest, so the cache only grows.
pub(super) struct ManifestCache<'a> {
    registry: &'a Registry,
    pub(super) nodes: HashMap<Digest, Node>,
    manifests: HashMap<Digest, RawManifest>,
    absent: HashSet<Digest>,
}

impl<'a> ManifestCache<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self { registry, nodes: HashMap::new(), manifests: HashMap::new(), absent: HashSet::new() }
    }

    /// Adds a manifest whose bytes are known.
    pub(super) fn put(&mut self, manifest: RawManifest) -> Result<(), CleanError> {
        let (node, images) = parse(&manifest).ok_or_else(|| self.unreadable(&manifest.digest))?;
        self.nodes.insert(manifest.digest.clone(), node);
        for image in images {
            self.nodes.entry(image).or_default();
        }
        self.manifests.insert(manifest.digest.clone(), manifest);
        Ok(())
    }

    /// A manifest that was read.
    pub(super) fn get(&self, digest: &Digest) -> Option<&RawManifest> {
        self.manifests.get(digest)
    }

    /// Whether the registry answered that it does not have a manifest.
    pub(super) fn is_absent(&self, digest: &Digest) -> bool {
        self.absent.contains(digest)
    }

    /// Reads manifests and the lists that they name, to any depth; with `images` the images too, since what may be
    /// removed may have to be put back. What is not there is remembered as absent.
    pub(super) async fn read(&mut self, roots: Vec<Digest>, images: bool) -> Result<(), CleanError> {
        let (mut seen, mut next) = (HashSet::new(), roots);
        while !next.is_empty() {
            next.retain(|digest| seen.insert(digest.clone()));
            let is_unread = |digest: &&Digest| self.get(digest).is_none() && !self.is_absent(digest);
            let unread: Vec<_> = next.iter().filter(is_unread).cloned().collect();
            for some in unread.chunks(READS_MAX) {
                let registry = self.registry;
                let reads = some.iter().map(async |digest| registry.manifest(Name::Digest(digest)).await);
                for (digest, manifest) in some.iter().zip(try_join_all(reads).await?) {
                    match manifest {
                        Some(manifest) => self.put(manifest)?,
                        None => _ = self.absent.insert(digest.clone()),
                    }
                }
            }
            let children = next.iter().filter_map(|digest| self.nodes.get(digest)).flat_map(|node| &node.children);
            let is_wanted = |child: &&Digest| images || self.nodes.get(child).is_none_or(|node| node.list);
            next = children.filter(is_wanted).cloned().collect();
        }
        Ok(())
    }

    /// A manifest that cannot be read.
    pub(super) fn unreadable(&self, digest: &Digest) -> CleanError {
        CleanError::Unreadable { digest: digest.clone(), registry: self.registry.name().into() }
    }
}
