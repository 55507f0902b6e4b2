//! Media types of manifests, and what the bytes of a manifest say of themselves.

use serde_json::Value;

/// A Docker image manifest, schema 2.
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// An OCI image manifest.
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The media type of a manifest. Only OCI documents may leave it out; they are known by what they hold.
pub(super) fn media_type(bytes: &[u8]) -> String {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    match document["mediaType"].as_str() {
        Some(own) => own.to_owned(),
        None if document["manifests"].is_array() => OCI_INDEX.to_owned(),
        None => OCI_MANIFEST.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(r#"{"mediaType":"application/x"}"#, "application/x")]
    #[case(r#"{"manifests":[]}"#, OCI_INDEX)]
    #[case(r#"{"config":{},"layers":[]}"#, OCI_MANIFEST)]
    fn a_manifest_says_what_it_is(#[case] bytes: &str, #[case] expected: &str) {
        assert_eq!(media_type(bytes.as_bytes()), expected);
    }
}
