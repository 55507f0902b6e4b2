//! Which digest plays which role, so that requests are called the same whatever was built.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::schedule::Build;
use crate::{
    harness::{management::version_id, registry::RepositoryState},
    history::{Kind, Operation},
    scenario::REPOSITORY,
};

/// What is called a digest that nobody has told of.
const UNKNOWN: &str = "unknown";

/// The images of each build, and the roles of all digests and version ids that are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    roles: BTreeMap<String, String>,
    /// The images of each build on each registry, as they were handed over.
    images: BTreeMap<(String, Build), BTreeSet<String>>,
}

impl Names {
    /// A build handed an image over, which is for this platform on this registry.
    pub(super) fn built(&mut self, server: &str, build: Build, platform: &str, digest: &str, held: &RepositoryState) {
        self.images.entry((server.to_owned(), build)).or_default().insert(digest.to_owned());
        let role = format!("{}-{platform}", build.name());
        let document = document(held, digest);
        self.name(&role, digest);
        if let Some(config) = document["config"]["digest"].as_str() {
            self.name(&format!("{role}-config"), config);
        }
        for (number, layer) in document["layers"].as_array().into_iter().flatten().enumerate() {
            if let Some(layer) = layer["digest"].as_str() {
                self.name(&format!("{role}-layer-{number}"), layer);
            }
        }
    }

    /// Looks for lists of known images.
    pub(super) fn learn(&mut self, server: &str, held: &RepositoryState) {
        for digest in
            held.manifests.keys().filter(|digest| !self.roles.contains_key(*digest)).cloned().collect::<Vec<_>>()
        {
            if let Some(build) = self.builds(server, held, &digest).first() {
                self.name(&format!("{}-list", build.name()), &digest);
            }
        }
    }

    /// The same digest of two builds keeps the name that it got first.
    fn name(&mut self, role: &str, digest: &str) {
        for id in [digest.to_owned(), version_id(REPOSITORY, digest).to_string()] {
            self.roles.entry(id).or_insert_with(|| role.to_owned());
        }
    }

    /// The builds whose images a list names, all of them and nothing else. Builds of one commit may have the same images.
    pub(super) fn builds(&self, server: &str, held: &RepositoryState, digest: &str) -> BTreeSet<Build> {
        let children = children(held, digest);
        let same =
            |build: &Build| self.images.get(&(server.to_owned(), *build)).is_some_and(|images| *images == children);
        Build::ALL.into_iter().filter(same).collect()
    }

    /// What an operation is about.
    pub(super) fn about(&self, operation: &Operation) -> String {
        let Some(reference) = operation.reference.as_deref() else { return String::new() };
        if operation.tag().is_some() || matches!(operation.kind, Kind::HubTag | Kind::HubTagDelete) {
            return reference.to_owned();
        }
        self.roles.get(reference).cloned().unwrap_or_else(|| UNKNOWN.to_owned())
    }

    /// The role of a digest; itself if nobody has told of it.
    pub(super) fn role<'a>(&'a self, digest: &'a str) -> &'a str {
        self.roles.get(digest).map_or(digest, String::as_str)
    }
}

/// A manifest as a document; nothing if it is not there or none.
pub(super) fn document(held: &RepositoryState, digest: &str) -> Value {
    held.manifests.get(digest).and_then(|it| serde_json::from_slice(&it.bytes).ok()).unwrap_or_default()
}

/// The digests that a list names.
fn children(held: &RepositoryState, digest: &str) -> BTreeSet<String> {
    let document = document(held, digest);
    let entries = document["manifests"].as_array().into_iter().flatten();
    entries.filter_map(|entry| Some(entry["digest"].as_str()?.to_owned())).collect()
}
