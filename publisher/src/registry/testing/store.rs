//! What the registry holds.

use std::collections::BTreeMap;

use super::{
    exchange::{Answer, Request},
    target::Target,
};
use crate::oci::{Digest, RawManifest, digest_of};

/// Repositories by their name, and what is on its way into them.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(super) repositories: BTreeMap<String, Contents>,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Counts uploads and answers, so that no address is ever given twice.
    pub(super) counter: u64,
    /// Where the registry listens, if it names its uploads with their host.
    pub(super) absolute: Option<String>,
    /// Takes an upload for what it is said to be, as no registry should: shows which bytes really came.
    pub(super) trusting: bool,
}

/// What a repository holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) manifests: BTreeMap<String, RawManifest>,
    pub(super) tags: BTreeMap<String, String>,
}

/// An upload that is open.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// What the last address said; bytes are taken at no other.
    pub(super) state: String,
}

impl Store {
    /// Puts a blob into a repository.
    pub(crate) fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Digest {
        let digest = digest_of(bytes);
        self.contents(name).blobs.insert(digest.to_string(), bytes.to_vec());
        digest
    }

    /// Puts a blob into a repository under a digest that it does not have.
    pub(crate) fn put_spoiled_blob(&mut self, name: &str, digest: &Digest, bytes: &[u8]) {
        self.contents(name).blobs.insert(digest.to_string(), bytes.to_vec());
    }

    /// Puts a manifest into a repository, under a tag too.
    pub(crate) fn put_manifest(&mut self, name: &str, tag: Option<&str>, manifest: &RawManifest) {
        let contents = self.contents(name);
        contents.manifests.insert(manifest.digest.to_string(), manifest.clone());
        if let Some(tag) = tag {
            contents.tags.insert(tag.into(), manifest.digest.to_string());
        }
    }

    /// Whether no upload is under way.
    pub(crate) fn is_without_uploads(&self) -> bool {
        self.uploads.is_empty()
    }

    /// Loses a manifest.
    pub(crate) fn forget_manifest(&mut self, name: &str, digest: &Digest) {
        self.contents(name).manifests.remove(digest.as_ref());
    }

    /// The bytes that a repository holds under a digest.
    pub(crate) fn blob(&self, name: &str, digest: &Digest) -> Option<&[u8]> {
        Some(self.repositories.get(name)?.blobs.get(digest.as_ref())?)
    }

    /// What a tag points at.
    pub(crate) fn tag(&self, name: &str, tag: &str) -> Option<&str> {
        Some(self.repositories.get(name)?.tags.get(tag)?)
    }

    /// The manifest that a repository holds under a digest.
    pub(crate) fn manifest(&self, name: &str, digest: &Digest) -> Option<&RawManifest> {
        self.repositories.get(name)?.manifests.get(digest.as_ref())
    }

    pub(super) fn contents(&mut self, name: &str) -> &mut Contents {
        self.repositories.entry(name.into()).or_default()
    }

    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Does what a request wants; nothing if no registry has such a thing.
    pub(super) fn answer(&mut self, request: &Request, body: &[u8]) -> Option<Answer> {
        match (request.method.as_str(), Target::of(&request.path)?) {
            ("HEAD" | "GET", Target::Blob(name, digest)) => Some(self.give_blob(name, digest)),
            ("POST", Target::Uploads(name)) => Some(self.open(name, request)),
            ("GET", Target::Upload(_, id)) => Some(self.progress(id)),
            ("PATCH", Target::Upload(_, id)) => Some(self.take(id, request, body)),
            ("PUT", Target::Upload(_, id)) => Some(self.close(id, request, body)),
            ("DELETE", Target::Upload(_, id)) => Some(self.cancel(id)),
            ("HEAD" | "GET", Target::Manifest(name, reference)) => Some(self.give_manifest(name, reference)),
            ("PUT", Target::Manifest(name, reference)) => Some(self.take_manifest(name, reference, request, body)),
            ("GET", Target::Tags(name)) => Some(self.list_tags(name)),
            // As most registries: there is no such interface.
            ("GET", Target::Referrers(..)) => Some(Answer::status(404)),
            ("DELETE", Target::Manifest(name, reference)) => Some(self.remove_manifest(name, reference)),
            _ => None,
        }
    }
}
