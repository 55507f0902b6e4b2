//! A stand-in of GitHub's REST interface for a user's packages, as a workflow's `GITHUB_TOKEN` meets it.
//!
//! A version is a manifest with all its tags. No tag can be deleted alone, and nothing protects the children of a list.
//! Listings have pages of 30, at most 100.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderValue, Method, StatusCode, header::LINK};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::byte_serialize;

use super::{
    first_seen::FirstSeen,
    http::{Page, Request, StandIn},
};
use crate::{
    harness::{
        HarnessError,
        proxy::{Answer, Rule},
        registry::Storage,
    },
    history::Kind,
};

const LAST_TAGGED: &str =
    "You cannot delete the last tagged version of a package. You must delete the package instead.";
const LAST: &str = "You cannot delete the last version of a package. You must delete the package instead.";

/// Digests of versions, with their tags.
type Versions = BTreeMap<String, BTreeSet<String>>;

struct State {
    storage: Storage,
    token: String,
    /// When each digest was first seen, by repository.
    first_seen: Mutex<BTreeMap<String, FirstSeen>>,
}

/// Starts a stand-in before a registry's storage that accepts one token. What the storage holds now counts as older than what
/// comes later.
///
/// # Errors
/// No port; files that cannot be read.
pub async fn start(storage: Storage, token: &str) -> Result<StandIn, HarnessError> {
    let state = State { storage, token: token.to_owned(), first_seen: Mutex::default() };
    let read = || HarnessError::io("cannot read a registry's storage");
    for repository in state.storage.repositories().map_err(read())? {
        state.versions(&repository).map_err(read())?;
    }
    StandIn::start(move |request| state.answer(request)).await
}

/// The rule by which GHCR refuses to delete anything.
pub fn registry_rule() -> Rule {
    Rule::on_any(&[Kind::ManifestDelete, Kind::BlobDelete]).named("ghcr deletes nothing").answer(405)
}

/// The id of a version: the same for the same manifest in the same repository, and small enough for a JSON number.
pub fn version_id(repository: &str, digest: &str) -> u64 {
    const BYTES: usize = 6;
    let hash = Sha256::digest(format!("{repository}@{digest}"));
    hash.iter().take(BYTES).fold(0, |id, byte| id << 8 | u64::from(*byte))
}

/// A package as a request names it.
struct Package<'a> {
    owner: &'a str,
    name: &'a str,
}

impl State {
    fn answer(&self, request: &Request) -> io::Result<Answer> {
        match &request.token {
            None => return Ok(refused(StatusCode::UNAUTHORIZED, "Requires authentication")),
            Some(token) if *token != self.token => return Ok(refused(StatusCode::UNAUTHORIZED, "Bad credentials")),
            Some(_) => {}
        }
        match request.route()[..] {
            ["user", "packages", ..] => Ok(refused(StatusCode::FORBIDDEN, "Resource not accessible by integration")),
            ["users", owner, "packages", "container", name, ref rest @ ..] => {
                self.of_package(request, &Package { owner, name }, rest)
            }
            _ => Ok(not_found()),
        }
    }

    fn of_package(&self, request: &Request, package: &Package<'_>, rest: &[&str]) -> io::Result<Answer> {
        let repository = package.repository();
        let versions = self.versions(&repository)?;
        if versions.is_empty() {
            return Ok(package_not_found());
        }
        let find = |id: &str| versions.iter().find(|(digest, _)| version_id(&repository, digest).to_string() == id);
        match (&request.method, rest) {
            (&Method::GET, []) => Ok(Answer::json(StatusCode::OK, &package.json(versions.len()))),
            (&Method::GET, ["versions"]) => Ok(self.list(request, package, &versions)),
            (&Method::GET, ["versions", id]) => Ok(find(id).map_or_else(package_not_found, |(digest, tags)| {
                let created = self.first_seen()[&repository].time(digest);
                Answer::json(StatusCode::OK, &package.version(request, digest, tags, &created))
            })),
            (&Method::DELETE, []) => {
                for digest in versions.keys() {
                    self.storage.remove_manifest(&repository, digest)?;
                }
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            (&Method::DELETE, ["versions", id]) => match find(id) {
                Some((digest, tags)) => self.delete_version(&repository, &versions, digest, tags),
                None => Ok(package_not_found()),
            },
            _ => Ok(not_found()),
        }
    }

    /// All versions of a repository with their tags, as they are now.
    fn versions(&self, repository: &str) -> io::Result<Versions> {
        let digests = self.storage.manifests(repository)?;
        let mut versions: Versions = digests.into_iter().map(|digest| (digest, BTreeSet::new())).collect();
        for (tag, digest) in self.storage.tags(repository)? {
            if let Some(tags) = versions.get_mut(&digest) {
                tags.insert(tag);
            }
        }
        self.first_seen().entry(repository.to_owned()).or_default().note(versions.keys().map(String::as_str));
        Ok(versions)
    }

    fn first_seen(&self) -> MutexGuard<'_, BTreeMap<String, FirstSeen>> {
        self.first_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of versions, the newest first. Nothing that was deleted can be listed.
    fn list(&self, request: &Request, package: &Package<'_>, versions: &Versions) -> Answer {
        let first_seen = &self.first_seen()[&package.repository()];
        let mut digests: Vec<&String> = versions.keys().collect();
        digests.sort_by_key(|digest| Reverse(first_seen.request(digest)));
        if request.parameter("state") == Some("deleted") {
            digests.clear();
        }
        let page = Page::of(request, "per_page", 30);
        let version = |digest: &&String| package.version(request, digest, &versions[*digest], &first_seen.time(digest));
        let shown: Vec<Value> = digests[page.range(digests.len())].iter().map(version).collect();
        let answer = Answer::json(StatusCode::OK, &json!(shown));
        match HeaderValue::from_str(&links(request, page, page.last(digests.len()))) {
            Ok(links) if !links.is_empty() => answer.header(LINK, links),
            _ => answer,
        }
    }

    fn delete_version(
        &self,
        repository: &str,
        versions: &Versions,
        digest: &str,
        tags: &BTreeSet<String>,
    ) -> io::Result<Answer> {
        let tagged = versions.values().filter(|tags| !tags.is_empty()).count();
        if !tags.is_empty() && tagged == 1 {
            return Ok(refused(StatusCode::BAD_REQUEST, LAST_TAGGED));
        }
        if versions.len() == 1 {
            return Ok(refused(StatusCode::BAD_REQUEST, LAST));
        }
        self.storage.remove_manifest(repository, digest)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}

impl Package<'_> {
    fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    fn path(&self) -> String {
        let name: String = byte_serialize(self.name.as_bytes()).collect();
        format!("users/{}/packages/container/{name}", self.owner)
    }

    fn json(&self, versions: usize) -> Value {
        json!({
            "id": version_id(&self.repository(), ""),
            "name": self.name,
            "package_type": "container",
            "version_count": versions,
            "visibility": "public",
        })
    }

    fn version(&self, request: &Request, digest: &str, tags: &BTreeSet<String>, created: &str) -> Value {
        let id = version_id(&self.repository(), digest);
        json!({
            "id": id,
            "name": digest,
            "url": format!("{}/{}/versions/{id}", request.base, self.path()),
            "package_html_url": format!("https://github.com/{}", self.path()),
            "html_url": format!("https://github.com/{}/{id}", self.path()),
            "created_at": created,
            "updated_at": created,
            "metadata": { "package_type": "container", "container": { "tags": tags } },
        })
    }
}

/// The header `Link` (RFC 8288); empty if there is one page only.
fn links(request: &Request, page: Page, last: usize) -> String {
    let before = [("prev", page.number - 1)].into_iter().filter(|_| page.number > 1);
    let after = [("next", page.number + 1), ("last", last)].into_iter().filter(|_| page.number < last);
    let first = [("first", 1)].into_iter().filter(|_| page.number > 1);
    let link = |(name, number)| format!("<{}>; rel=\"{name}\"", request.page_address(page, number));
    before.chain(after).chain(first).map(link).collect::<Vec<_>>().join(", ")
}

/// A refusal in GitHub's form. Clean-up programs match some of its messages.
fn refused(status: StatusCode, message: &str) -> Answer {
    let documentation = "https://docs.github.com/rest/packages/packages";
    let status_text = status.as_u16().to_string();
    Answer::json(status, &json!({ "message": message, "documentation_url": documentation, "status": status_text }))
}

/// No such interface, or none for this owner.
fn not_found() -> Answer {
    refused(StatusCode::NOT_FOUND, "Not Found")
}

/// No such package, or no such version of it.
fn package_not_found() -> Answer {
    refused(StatusCode::NOT_FOUND, "Package not found.")
}
