//! What a repository of one registry holds at one moment: tags and manifests, as plain data.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::harness::registry::Storage;

/// Tags, and the graph of manifests below them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The registry: `ghcr`.
    pub server: String,
    /// Where each tag points.
    pub tags: BTreeMap<String, String>,
    /// All manifests, tagged or not, and the manifests that each of them names. Configurations and layers are no manifests.
    pub manifests: BTreeMap<String, Vec<String>>,
    /// The configurations and layers that a manifest names and the repository does not hold, by manifest.
    #[serde(default)]
    pub missing_blobs: BTreeMap<String, Vec<String>>,
    /// The manifests that signatures and attestations are about, by the referring manifest (its `subject`).
    #[serde(default)]
    pub subjects: BTreeMap<String, String>,
}

/// How many hexadecimal digits a SHA-256 digest has.
const SHA256_DIGITS: usize = 64;

/// Whether a tag only leads from an image to its signatures, attestations or referrers: `sha256-<hex>`, `sha256-<hex>.sig`
/// (distribution specification 1.1, "Referrers tag schema"; cosign's signature tags).
pub fn is_referrers_tag(tag: &str) -> bool {
    let digest = tag.split('.').next().and_then(|name| name.strip_prefix("sha256-"));
    digest.is_some_and(|hex| hex.len() == SHA256_DIGITS && hex.chars().all(|it| it.is_ascii_hexdigit()))
}

impl Snapshot {
    /// Takes a look at a repository from behind.
    ///
    /// # Errors
    /// Storage that cannot be read.
    pub fn of(server: &str, storage: &Storage, repository: &str) -> io::Result<Self> {
        let (mut manifests, mut missing_blobs, mut subjects) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for digest in storage.manifests(repository)? {
            let Some(manifest) = storage.manifest(repository, &digest)? else { continue };
            let document: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
            let mut missing = Vec::new();
            for blob in blobs(&document) {
                if !storage.has_blob(repository, &blob)? {
                    missing.push(blob);
                }
            }
            if !missing.is_empty() {
                missing_blobs.insert(digest.clone(), missing);
            }
            if let Some(subject) = document["subject"]["digest"].as_str() {
                subjects.insert(digest.clone(), subject.to_owned());
            }
            manifests.insert(digest, digests(&document["manifests"]));
        }
        Ok(Self { server: server.to_owned(), tags: storage.tags(repository)?, manifests, missing_blobs, subjects })
    }

    /// Everything that a tag leads to, itself included, whether it is there or not.
    pub fn reached(&self, tag: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<&str> = self.tags.get(tag).into_iter().map(String::as_str).collect();
        while let Some(digest) = ahead.pop() {
            if reached.insert(digest) {
                ahead.extend(self.manifests.get(digest).into_iter().flatten().map(String::as_str));
            }
        }
        reached
    }
}

/// The digests of descriptors, in their order; none if there is no array.
fn digests(descriptors: &Value) -> Vec<String> {
    let entries = descriptors.as_array().into_iter().flatten();
    entries.filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect()
}

/// The digests of an image's configuration and layers; none of a list.
fn blobs(document: &Value) -> Vec<String> {
    let config = document["config"]["digest"].as_str().map(str::to_owned);
    config.into_iter().chain(digests(&document["layers"])).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::list(r#"{"manifests":[{"digest":"sha256:a"},{"digest":"sha256:b"}]}"#, &["sha256:a", "sha256:b"])]
    #[case::image(r#"{"config":{"digest":"sha256:c"},"layers":[{"digest":"sha256:l"}]}"#, &[])]
    #[case::not_json("<html>", &[])]
    #[case::odd(r#"{"manifests":[{"size":1},{"digest":2}]}"#, &[])]
    fn a_list_names_its_children(#[case] bytes: &str, #[case] digests: &[&str]) {
        let document: Value = serde_json::from_str(bytes).unwrap_or_default();
        assert_eq!(super::digests(&document["manifests"]), digests);
    }

    #[test]
    fn a_tag_reaches_through_lists() {
        let manifests = [("list", vec!["a", "b"]), ("a", vec![]), ("other", vec!["c"])];
        let snapshot = Snapshot {
            server: "ghcr".into(),
            tags: [("latest".to_owned(), "list".to_owned())].into(),
            manifests: manifests
                .map(|(digest, children)| (digest.to_owned(), children.into_iter().map(str::to_owned).collect()))
                .into(),
            ..Snapshot::default()
        };
        assert_eq!(snapshot.reached("latest"), BTreeSet::from(["list", "a", "b"]));
        assert!(snapshot.reached("1.0.0").is_empty());
    }
}
