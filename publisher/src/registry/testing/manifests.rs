//! Manifests and tags (distribution specification 1.1, "Pushing manifests", "Content management").

use super::{
    exchange::{Answer, Request},
    store::{Contents, Store},
};
use crate::oci::RawManifest;

impl Store {
    pub(super) fn give_manifest(&self, name: &str, reference: &str) -> Answer {
        let contents = self.repositories.get(name);
        let manifest = contents.and_then(|contents| contents.manifests.get(contents.digest_of(reference)));
        manifest.map_or_else(
            || Answer::error(404, "MANIFEST_UNKNOWN"),
            |manifest| {
                Answer::status(200)
                    .header("content-type", manifest.media_type.as_str())
                    .header("docker-content-digest", manifest.digest.to_string())
                    .body(manifest.bytes.to_vec())
            },
        )
    }

    pub(super) fn take_manifest(&mut self, name: &str, reference: &str, request: &Request, body: &[u8]) -> Answer {
        let manifest = RawManifest::new(request.header("content-type"), body.to_vec());
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Answer::error(400, "MANIFEST_INVALID");
        };
        if document["mediaType"] != manifest.media_type {
            return Answer::error(400, "MANIFEST_INVALID");
        }
        if reference.contains(':') && reference != manifest.digest.as_ref() {
            return Answer::error(400, "DIGEST_INVALID");
        }
        if !self.contents(name).has_parts(&document) {
            return Answer::error(404, "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = manifest.digest.to_string();
        self.put_manifest(name, (!reference.contains(':')).then_some(reference), &manifest);
        Answer::status(201).header("docker-content-digest", digest)
    }

    pub(super) fn list_tags(&self, name: &str) -> Answer {
        let Some(contents) = self.repositories.get(name) else { return Answer::error(404, "NAME_UNKNOWN") };
        let tags: Vec<_> = contents.tags.keys().collect();
        Answer::status(200).body(serde_json::json!({ "name": name, "tags": tags }).to_string())
    }

    pub(super) fn remove_manifest(&mut self, name: &str, reference: &str) -> Answer {
        let contents = self.contents(name);
        let removed = if reference.contains(':') {
            contents.tags.retain(|_, digest| digest != reference);
            contents.manifests.remove(reference).is_some()
        } else {
            contents.tags.remove(reference).is_some()
        };
        if removed { Answer::status(202) } else { Answer::error(404, "MANIFEST_UNKNOWN") }
    }
}

impl Contents {
    fn digest_of<'a>(&'a self, reference: &'a str) -> &'a str {
        self.tags.get(reference).map_or(reference, String::as_str)
    }

    /// Whether everything that a manifest or a list names is there.
    fn has_parts(&self, document: &serde_json::Value) -> bool {
        let digests = |key: &str| -> Vec<String> {
            let entries = document[key].as_array().cloned().unwrap_or_else(|| vec![document[key].clone()]);
            entries.iter().filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect()
        };
        let blobs = [digests("config"), digests("layers")].concat();
        blobs.iter().all(|digest| self.blobs.contains_key(digest))
            && digests("manifests").iter().all(|digest| self.manifests.contains_key(digest))
    }
}
