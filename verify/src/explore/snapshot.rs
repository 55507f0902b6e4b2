//! What the tags of a registry lead to at one moment.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    request::{Roles, digests, manifest},
    schedule::Build,
};
use crate::harness::registry::Held;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) digest: String,
    /// The builds whose list it is.
    pub(super) builds: BTreeSet<Build>,
    /// The roles of lists, images, configurations and layers that it leads to and that do not exist.
    pub(super) missing: Vec<String>,
}

/// The tags of one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RegistrySnapshot {
    pub(super) server: String,
    pub(super) tags: BTreeMap<String, Tag>,
    /// The digests of all manifests, tagged or not.
    pub(super) manifests: BTreeSet<String>,
}

impl RegistrySnapshot {
    /// Takes a snapshot of a repository.
    pub(super) fn of(server: &str, held: &Held, roles: &Roles) -> Self {
        let tag = |(name, digest): (&String, &String)| {
            let builds = roles.builds(server, held, digest);
            let missing = missing(held, digest).iter().map(|it| roles.role(it).to_owned()).collect();
            (name.clone(), Tag { digest: digest.clone(), builds, missing })
        };
        let manifests = held.manifests.keys().cloned().collect();
        Self { server: server.to_owned(), tags: held.tags.iter().map(tag).collect(), manifests }
    }

    /// The age of the build that a tag shows; none if there is no such tag or if it shows no build.
    pub(super) fn age(&self, tag: &str) -> Option<usize> {
        self.tags.get(tag)?.builds.iter().map(|build| build.age()).max()
    }

    /// What a tag shows: `newer`, `absent`, or the digest of something that no build made.
    pub(super) fn shown(&self, tag: &str) -> String {
        match self.tags.get(tag) {
            None => "absent".to_owned(),
            Some(tag) if tag.builds.is_empty() => tag.digest.clone(),
            Some(tag) => tag.builds.iter().map(|build| build.name()).collect::<Vec<_>>().join("="),
        }
    }
}

/// Everything that a manifest leads to, itself included, and that the repository does not hold.
fn missing(held: &Held, digest: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut ahead = vec![digest.to_owned()];
    while let Some(digest) = ahead.pop() {
        if !held.manifests.contains_key(&digest) {
            missing.push(digest);
            continue;
        }
        let manifest = manifest(held, &digest);
        ahead.extend(digests(&manifest["manifests"]).map(str::to_owned));
        let blobs = manifest["config"]["digest"].as_str().into_iter().chain(digests(&manifest["layers"]));
        missing.extend(blobs.filter(|blob| !held.blobs.contains(*blob)).map(str::to_owned));
    }
    missing
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::harness::contents::StoredManifest;

    #[test]
    fn everything_that_a_list_leads_to_must_exist() {
        let manifest = |text: &str| Arc::new(StoredManifest { media_type: "any".into(), bytes: text.into() });
        let mut held = Held::default();
        held.manifests.insert("list".into(), manifest(r#"{"manifests":[{"digest":"a"},{"digest":"b"}]}"#));
        held.manifests.insert("a".into(), manifest(r#"{"config":{"digest":"c"},"layers":[{"digest":"l"}]}"#));
        held.blobs.insert("c".into());
        let mut missing = missing(&held, "list");
        missing.sort();
        assert_eq!(missing, ["b", "l"]);
    }
}
