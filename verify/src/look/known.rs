//! What a reader has read already. What a digest names cannot change, so that it is read once; in later rounds it is only
//! asked, by HEAD, whether it is still there.

use std::collections::HashMap;

use super::{Child, Descriptor, LookError, Manifest, Reader};

/// What was read whole, by digest.
#[derive(Debug, Default)]
pub(super) struct Known {
    round: u64,
    roots: HashMap<String, Seen<Manifest>>,
    images: HashMap<String, Seen<Child>>,
}

/// Something, and in which round it was seen last.
#[derive(Debug)]
struct Seen<T> {
    it: T,
    round: u64,
}

impl Known {
    /// Remembers what a digest names, if that is what its bytes say.
    pub(super) fn learn_root(&mut self, manifest: Option<&Manifest>) {
        if let Some(manifest) = manifest {
            self.roots.insert(manifest.digest.clone(), Seen { it: manifest.clone(), round: self.round });
        }
    }

    /// Remembers an image of which nothing was missing.
    pub(super) fn learn(&mut self, child: &Child) {
        if let Some(manifest) = &child.manifest {
            self.images.insert(manifest.digest.clone(), Seen { it: child.clone(), round: self.round });
        }
    }

    /// What is known, and whether it was seen in this round.
    fn look_up<T: Clone>(among: &mut HashMap<String, Seen<T>>, digest: &str, round: u64) -> Option<(T, bool)> {
        let seen = among.get_mut(digest)?;
        let now = std::mem::replace(&mut seen.round, round) == round;
        Some((seen.it.clone(), now))
    }
}

impl Reader {
    /// Begins another round: what is known is asked for again, and what was of no use in the last one is forgotten.
    pub fn next_round(&mut self) {
        let ended = self.known.round;
        self.known.roots.retain(|_, seen| seen.round == ended);
        self.known.images.retain(|_, seen| seen.round == ended);
        self.known.round += 1;
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.known = Known::default();
    }

    /// A manifest that is known. That it is still there, who resolved a tag to it has just seen.
    pub(super) fn known_manifest(&mut self, digest: &str) -> Option<Manifest> {
        Known::look_up(&mut self.known.roots, digest, self.known.round).map(|(manifest, _)| manifest)
    }

    /// An image that is known, as another list names it, without what is no longer there.
    pub(super) async fn known_image(&mut self, descriptor: &Descriptor) -> Result<Option<Child>, LookError> {
        let Some((mut child, now)) = Known::look_up(&mut self.known.images, &descriptor.digest, self.known.round)
        else {
            return Ok(None);
        };
        child.descriptor = Some(descriptor.clone());
        if now {
            return Ok(Some(child));
        }
        let (digest, before) = (&descriptor.digest, self.missing.len());
        if !self.still_there("manifest", &format!("manifests/{digest}"), digest).await? {
            self.known.images.remove(digest);
            return Ok(Some(Child { descriptor: child.descriptor, ..Child::default() }));
        }
        if let Some(config) = &child.config_descriptor
            && !self.still_there("configuration", &format!("blobs/{}", config.digest), &config.digest).await?
        {
            child.config = None;
        }
        for layer in &mut child.layers {
            let blob = &layer.descriptor.digest;
            if !self.still_there("layer", &format!("blobs/{blob}"), blob).await? {
                (layer.stated_size, layer.content) = (None, None);
            }
        }
        if self.missing.len() > before {
            self.known.images.remove(digest);
        }
        Ok(Some(child))
    }

    async fn still_there(&mut self, kind: &str, path: &str, digest: &str) -> Result<bool, LookError> {
        let answer = self.looker.head(path).await?;
        Ok(self.given(&format!("{kind} {digest}"), path, answer).is_some())
    }
}
