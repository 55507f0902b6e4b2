//! Manifests as documents: whether they are valid, and what they name.

use serde_json::Value;

use crate::harness::registry::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// What a manifest names, which the repository must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Document {
    /// The media type.
    pub(super) media_type: String,
    /// Blobs: the configuration and the layers.
    pub(super) blobs: Vec<String>,
    /// Manifests: the children of a list.
    pub(super) children: Vec<String>,
}

impl Document {
    /// Reads a manifest that is said to be of a media type.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(said: &str, bytes: &[u8]) -> Result<Self, String> {
        let said = said.split(';').next().unwrap_or_default().trim();
        if ![DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX].contains(&said) {
            return Err(format!("'{said}' is not the media type of a manifest"));
        }
        let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match document["mediaType"].as_str() {
            Some(own) if own != said => return Err(format!("mediaType in manifest should be '{said}' not '{own}'")),
            None if said == DOCKER_MANIFEST || said == DOCKER_LIST => {
                return Err(format!("mediaType in manifest should be '{said}' not ''"));
            }
            _ => {}
        }
        let media_type = said.to_owned();
        // A document that could be read as either would have two meanings (CVE-2021-41190).
        if said == DOCKER_LIST || said == OCI_INDEX {
            if !document["config"].is_null() || !document["layers"].is_null() {
                return Err("expected list but found 'config' or 'layers'".to_owned());
            }
            return Ok(Self { media_type, children: digests(&document["manifests"])?, ..Self::default() });
        }
        if !document["manifests"].is_null() {
            return Err("expected manifest but found 'manifests'".to_owned());
        }
        let mut blobs = digests(&document["layers"])?;
        blobs.insert(0, digest(&document["config"])?);
        Ok(Self { media_type, blobs, ..Self::default() })
    }
}

/// The child of a list that runs on the platform that is served to clients who know of no lists.
pub(super) fn default_child(list: &[u8]) -> Option<String> {
    let list: Value = serde_json::from_slice(list).ok()?;
    let fits = |child: &&Value| child["platform"]["architecture"] == "amd64" && child["platform"]["os"] == "linux";
    list["manifests"].as_array()?.iter().find(fits)?["digest"].as_str().map(str::to_owned)
}

fn digests(descriptors: &Value) -> Result<Vec<String>, String> {
    let none = Vec::new();
    descriptors.as_array().unwrap_or(&none).iter().map(digest).collect()
}

fn digest(descriptor: &Value) -> Result<String, String> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    if super::digest::looks_like_a_digest(digest) { Ok(digest.to_owned()) } else { Err("invalid digest".to_owned()) }
}
