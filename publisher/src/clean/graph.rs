//! What a repository holds, as far as a decision needs it: tags, manifests, and which manifest names which.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::oci::{DOCKER_MANIFEST, Digest, OCI_MANIFEST, RawManifest, Tag};

/// One manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The manifests that it names: a list that lacks one of them is broken.
    pub children: Vec<Digest>,
    /// Its subject, if it is a signature or another referrer.
    pub subject: Option<Digest>,
    /// Whether it is a list or an index.
    pub list: bool,
}

/// Tags and manifests of one repository at one moment.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// What each tag points at. A registry that lags may show a tag in two places: both count.
    pub tags: BTreeMap<Tag, Vec<Digest>>,
    /// The manifests that are known. Everything that a tag reaches must be among them.
    pub nodes: HashMap<Digest, Node>,
}

impl Graph {
    /// The manifests that a manifest names.
    pub(super) fn children(&self, digest: &Digest) -> &[Digest] {
        self.nodes.get(digest).map(|node| node.children.as_slice()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Document {
    subject: Option<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: Digest,
}

/// Parses a manifest. Of a list, also returns the entries that are images for one platform: they name no manifests, so
/// they need not be read. `None` if it cannot be understood.
pub(super) fn parse(manifest: &RawManifest) -> Option<(Node, Vec<Digest>)> {
    let Document { subject, manifests } = serde_json::from_slice(&manifest.bytes).ok()?;
    let list = manifests.is_some();
    let entries = manifests.unwrap_or_default();
    let is_image = |entry: &&Descriptor| matches!(entry.media_type.as_deref(), Some(DOCKER_MANIFEST | OCI_MANIFEST));
    let images = entries.iter().filter(is_image).map(|entry| entry.digest.clone()).collect();
    let children = entries.iter().map(|entry| entry.digest.clone()).collect();
    Some((Node { children, subject: subject.map(|subject| subject.digest), list }, images))
}

/// The subject of a fallback tag, which lists a manifest's referrers where a registry has no referrers API: `sha256-<hex>`
/// (distribution specification 1.1, "Referrers tag schema"). `None` for any other tag.
pub(super) fn fallback_subject(tag: &Tag) -> Option<Digest> {
    let hex = tag.as_str().strip_prefix("sha256-")?;
    format!("sha256:{hex}").parse().ok()
}

/// The fallback tag of a manifest.
#[cfg(test)]
pub(super) fn fallback_tag(subject: &Digest) -> Tag {
    subject.to_string().replace(':', "-").parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{OCI_INDEX, digest_of};

    fn read(document: &str) -> Option<(Node, Vec<Digest>)> {
        parse(&RawManifest::new(OCI_INDEX, document.as_bytes().to_vec()))
    }

    #[test]
    fn a_list_has_children_and_says_which_are_images() {
        let [one, two, three] = [b"1", b"2", b"3"].map(|bytes| digest_of(bytes));
        let document = format!(
            r#"{{"manifests":[{{"mediaType":"{DOCKER_MANIFEST}","digest":"{one}"}},{{"mediaType":"{OCI_INDEX}","digest":"{two}"}},
               {{"digest":"{three}"}}],"subject":{{"digest":"{one}"}}}}"#
        );
        let (node, images) = read(&document).unwrap();
        assert_eq!(node, Node { children: vec![one.clone(), two, three], subject: Some(one.clone()), list: true });
        assert_eq!(images, [one]);
    }

    #[rstest::rstest]
    #[case(r#"{"config":{},"layers":[]}"#, true)]
    #[case(r#"{"manifests":[]}"#, true)]
    #[case(r#"{"manifests":null,"subject":null}"#, true)]
    #[case(r#"{"manifests":{}}"#, false)]
    #[case(r#"{"manifests":[{"size":1}]}"#, false)]
    #[case(r#"{"manifests":[{"digest":"sha256:1"}]}"#, false)]
    #[case(r#"{"subject":{"digest":7}}"#, false)]
    #[case("[]", false)]
    #[case("<html>", false)]
    fn what_cannot_be_parsed_is_not_taken_for_empty(#[case] document: &str, #[case] understood: bool) {
        assert_eq!(read(document).is_some(), understood);
    }

    #[rstest::rstest]
    #[case("latest")]
    #[case("sha256-12")]
    #[case("sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824.sig")]
    fn other_tags_are_no_fallback_tags(#[case] tag: &str) {
        assert_eq!(fallback_subject(&tag.parse().unwrap()), None);
        let digest = digest_of(b"x");
        assert_eq!(fallback_subject(&fallback_tag(&digest)), Some(digest));
    }
}
