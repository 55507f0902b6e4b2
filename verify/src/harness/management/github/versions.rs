//! Packages and their versions as the interface writes them.

use std::{cmp::Reverse, collections::BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    super::{encoding, message::Request, sightings::Sightings},
    deleted::DeletedVersion,
    stand_in::Owner,
};

/// The id of a version: always the same for the same manifest in the same repository, and small enough for a JSON number.
pub fn version_id(repository: &str, digest: &str) -> u64 {
    const BYTES: usize = 6;
    let hash = Sha256::digest(format!("{repository}@{digest}"));
    hash.iter().take(BYTES).fold(0, |id, byte| id << 8 | u64::from(*byte))
}

/// A package as a request names it.
pub(super) struct Package<'a> {
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: Owner,
}

impl Package<'_> {
    /// The repository on the registry.
    pub(super) fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    fn place(&self) -> String {
        let owners = if self.kind == Owner::Organization { "orgs" } else { "users" };
        format!("{owners}/{}/packages/container/{}", self.owner, encoding::encode(self.name))
    }

    pub(super) fn json(&self, request: &Request, versions: usize, public: bool, created: &str) -> Value {
        json!({
            "id": version_id(&self.repository(), ""),
            "name": self.name,
            "package_type": "container",
            "owner": { "login": self.owner, "type": if self.kind == Owner::Person { "User" } else { "Organization" } },
            "version_count": versions,
            "visibility": if public { "public" } else { "private" },
            "url": format!("{}/{}", request.base, self.place()),
            "html_url": format!("https://github.com/{}", self.place()),
            "created_at": created,
            "updated_at": created,
        })
    }

    fn version(&self, request: &Request, digest: &str, tags: &Value, created: &str) -> Value {
        let id = version_id(&self.repository(), digest);
        json!({
            "id": id,
            "name": digest,
            "url": format!("{}/{}/versions/{id}", request.base, self.place()),
            "package_html_url": format!("https://github.com/{}", self.place()),
            "html_url": format!("https://github.com/{}/{id}", self.place()),
            "created_at": created,
            "updated_at": created,
            "metadata": { "package_type": "container", "container": { "tags": tags } },
        })
    }

    pub(super) fn active(
        &self,
        request: &Request,
        digest: &str,
        tags: &BTreeSet<String>,
        sightings: &Sightings,
    ) -> Value {
        self.version(request, digest, &json!(tags), &sightings.time(digest))
    }

    pub(super) fn deleted(&self, request: &Request, version: &DeletedVersion) -> Value {
        let mut json = self.version(request, &version.digest, &json!(version.tags), &version.created);
        json["deleted_at"] = json!(version.deleted);
        json
    }
}

/// Sorts digests as a listing does: what came last first.
pub(super) fn sort(digests: &mut [&String], sightings: &Sightings) {
    digests.sort_by_key(|digest| -> (Reverse<u64>, &str) { sightings.newest_first(digest) });
}
