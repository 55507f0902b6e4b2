//! Requests with names that are the same in every run, whatever digests were built.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use clap::ValueEnum as _;
use serde_json::Value;

use super::schedule::Build;
use crate::{
    harness::{management::version_id, registry::RepositoryState},
    history::{Kind, Operation},
    scenario::REPOSITORY,
};

/// The role of a digest that no build has.
const UNKNOWN: &str = "unknown";

/// One request: its server, its kind, what it names, and its number among those that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Request {
    /// `ghcr`, `dockerhub`, `github-api`, `hub-api`.
    pub(super) server: String,
    /// The endpoint.
    pub(super) kind: Kind,
    /// A tag, or the role of a digest: `newer-list`, `base-amd64`. Empty if it names nothing.
    pub(super) reference: String,
    /// 1 for the first of its run, 2 for the next one like it.
    pub(super) number: usize,
}

impl Request {
    /// Whether it changes tags or manifests. Only these requests are ordered: nobody sees uploads.
    pub(super) const fn writes(&self) -> bool {
        self.kind.deletes() || matches!(self.kind, Kind::ManifestPut | Kind::PackageRestore)
    }
}

/// `ghcr/manifest-put/latest`, `dockerhub/manifest-head/latest#2`
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.kind).unwrap_or_default();
        write!(f, "{}/{}", self.server, kind.as_str().unwrap_or_default())?;
        if !self.reference.is_empty() {
            write!(f, "/{}", self.reference)?;
        }
        if self.number > 1 { write!(f, "#{}", self.number) } else { Ok(()) }
    }
}

/// The roles of digests and of GitHub's version ids, and the images of each build.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    roles: BTreeMap<String, String>,
    /// The digests that a build handed over for a registry.
    images: BTreeMap<(String, Build), BTreeSet<String>>,
}

impl Roles {
    /// Adds an image that a build handed over for a platform and a registry.
    pub(super) fn add_image(
        &mut self,
        server: &str,
        build: Build,
        platform: &str,
        digest: &str,
        held: &RepositoryState,
    ) {
        self.images.entry((server.to_owned(), build)).or_default().insert(digest.to_owned());
        let role = format!("{}-{platform}", build.name());
        let manifest = manifest(held, digest);
        self.add(&role, digest);
        if let Some(config) = manifest["config"]["digest"].as_str() {
            self.add(&format!("{role}-config"), config);
        }
        for (number, layer) in digests(&manifest["layers"]).enumerate() {
            self.add(&format!("{role}-layer-{number}"), layer);
        }
    }

    /// Adds the lists of known images that a registry holds.
    pub(super) fn add_lists(&mut self, server: &str, held: &RepositoryState) {
        for digest in held.manifests.keys() {
            if !self.roles.contains_key(digest)
                && let Some(build) = self.builds(server, held, digest).first()
            {
                self.add(&format!("{}-list", build.name()), digest);
            }
        }
    }

    /// A digest that two builds share keeps its first role.
    fn add(&mut self, role: &str, digest: &str) {
        for id in [digest.to_owned(), version_id(REPOSITORY, digest).to_string()] {
            self.roles.entry(id).or_insert_with(|| role.to_owned());
        }
    }

    /// The builds whose images are exactly those that a list names. Builds of one commit may have the same images.
    pub(super) fn builds(&self, server: &str, held: &RepositoryState, digest: &str) -> BTreeSet<Build> {
        let list = manifest(held, digest);
        let children: BTreeSet<String> = digests(&list["manifests"]).map(str::to_owned).collect();
        let same = |build: &Build| self.images.get(&(server.to_owned(), *build)) == Some(&children);
        Build::value_variants().iter().copied().filter(same).collect()
    }

    /// What an operation names.
    pub(super) fn reference(&self, operation: &Operation) -> String {
        let Some(reference) = operation.reference.as_deref() else { return String::new() };
        if operation.tag().is_some() || matches!(operation.kind, Kind::HubTag | Kind::HubTagDelete) {
            return reference.to_owned();
        }
        self.roles.get(reference).cloned().unwrap_or_else(|| UNKNOWN.to_owned())
    }

    /// The role of a digest, or the digest itself if it has none.
    pub(super) fn role<'a>(&'a self, digest: &'a str) -> &'a str {
        self.roles.get(digest).map_or(digest, String::as_str)
    }
}

/// A manifest that a registry holds; null if it does not or if it is not JSON.
pub(super) fn manifest(held: &RepositoryState, digest: &str) -> Value {
    held.manifests.get(digest).and_then(|it| serde_json::from_slice(&it.bytes).ok()).unwrap_or_default()
}

/// The digests in an array of descriptors.
pub(super) fn digests(descriptors: &Value) -> impl Iterator<Item = &str> {
    descriptors.as_array().into_iter().flatten().filter_map(|descriptor| descriptor["digest"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_server_kind_reference_and_number() {
        let put = Request { server: "ghcr".into(), kind: Kind::ManifestPut, reference: "latest".into(), number: 1 };
        assert_eq!(put.to_string(), "ghcr/manifest-put/latest");
        let token = Request { kind: Kind::Token, reference: String::new(), number: 2, ..put.clone() };
        assert_eq!(token.to_string(), "ghcr/token#2");
        assert!(put.writes() && !token.writes());
    }
}
