//! What a repository holds, as far as a decision needs it: tags, manifests, and which manifest names which.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::oci::{DOCKER_MANIFEST, Digest, OCI_MANIFEST, RawManifest, Tag};

/// The prefix of a fallback tag, under which what refers to a manifest is found where a registry has no referrers API:
/// `sha256-<hex>` (distribution specification 1.1, "Referrers tag schema").
const FALLBACK_PREFIX: &str = "sha256-";

/// One manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The manifests that it names: an image whose list lacks one of them is broken.
    pub children: Vec<Digest>,
    /// The manifest that it is about, if it is a signature or another companion.
    pub subject: Option<Digest>,
    /// Whether it is a list or an index.
    pub list: bool,
}

/// Tags and manifests of one repository at one moment.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// What each tag points at. A registry that lags may show a tag in two places: both count.
    pub tags: BTreeMap<Tag, Vec<Digest>>,
    /// The manifests that are known. What a tag reaches must be among them, or nothing can be decided.
    pub nodes: HashMap<Digest, Node>,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    /// Whether it is an image for one platform, which names no manifests: it need not be read.
    pub(super) leaf: bool,
}

/// What a document says, or nothing if it cannot be understood.
pub(super) fn entries(manifest: &RawManifest) -> Option<(Node, Vec<Entry>)> {
    let document: Value = serde_json::from_slice(&manifest.bytes).ok()?;
    let document = document.as_object()?;
    let digest = |value: &Value| value.get("digest")?.as_str()?.parse::<Digest>().ok();
    let subject = match document.get("subject") {
        None | Some(Value::Null) => None,
        Some(subject) => Some(digest(subject)?),
    };
    let listed = match document.get("manifests") {
        None | Some(Value::Null) => return Some((Node { subject, ..Node::default() }, Vec::new())),
        Some(listed) => listed.as_array()?,
    };
    let entry = |value: &Value| {
        let media_type = value.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        Some(Entry { digest: digest(value)?, leaf: matches!(media_type, DOCKER_MANIFEST | OCI_MANIFEST) })
    };
    let entries = listed.iter().map(entry).collect::<Option<Vec<_>>>()?;
    let children = entries.iter().map(|entry| entry.digest.clone()).collect();
    Some((Node { children, subject, list: true }, entries))
}

/// The manifest that a fallback tag is about; nothing if it is any other tag.
pub fn fallback_subject(tag: &Tag) -> Option<Digest> {
    let hex = tag.as_str().strip_prefix(FALLBACK_PREFIX)?;
    format!("sha256:{hex}").parse().ok()
}

/// The fallback tag of a manifest; nothing if its digest is of a kind that has none.
#[cfg(test)]
pub(super) fn fallback_tag(subject: &Digest) -> Tag {
    subject.to_string().replace(':', "-").parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{OCI_INDEX, digest_of};

    fn read(document: &str) -> Option<(Node, Vec<Entry>)> {
        entries(&RawManifest::new(OCI_INDEX, document.as_bytes().to_vec()))
    }

    #[test]
    fn a_list_names_its_entries_and_says_which_need_not_be_read() {
        let [one, two, three] = [b"1", b"2", b"3"].map(|bytes| digest_of(bytes));
        let document = format!(
            r#"{{"manifests":[{{"mediaType":"{DOCKER_MANIFEST}","digest":"{one}"}},{{"mediaType":"{OCI_INDEX}","digest":"{two}"}},
               {{"digest":"{three}"}}],"subject":{{"digest":"{one}"}}}}"#
        );
        let (node, entries) = read(&document).unwrap();
        assert_eq!(node, Node { children: vec![one.clone(), two, three], subject: Some(one), list: true });
        assert_eq!(entries.iter().map(|entry| entry.leaf).collect::<Vec<_>>(), [true, false, false]);
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
    fn what_cannot_be_understood_is_not_taken_for_empty(#[case] document: &str, #[case] understood: bool) {
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
