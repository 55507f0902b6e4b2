//! A stand-in of `hub.docker.com`, and Docker Hub's own rules for deletions on its registry host.
//!
//! A personal access token must be exchanged for an access token; tags are listed in pages of 10, at most 100; a tag is deleted
//! by its name, a manifest on the registry host and only while no tag and no list needs it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Mutex, PoisonError},
};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    first_seen::FirstSeen,
    http::{Page, Request, StandIn},
};
use crate::{
    harness::{
        HarnessError,
        proxy::{Answer, Rule},
        registry::{Storage, StoredManifest},
    },
    history::Kind,
};

struct State {
    storage: Storage,
    user: String,
    personal_access_token: String,
    access_tokens: Mutex<BTreeSet<String>>,
    /// When each tag was first seen with each digest, by repository.
    first_seen: Mutex<BTreeMap<String, FirstSeen>>,
}

/// Starts a stand-in before a registry's storage, with one account.
///
/// # Errors
/// No port.
pub async fn start(storage: Storage, user: &str, personal_access_token: &str) -> Result<StandIn, HarnessError> {
    let state = State {
        storage,
        user: user.to_owned(),
        personal_access_token: personal_access_token.to_owned(),
        access_tokens: Mutex::default(),
        first_seen: Mutex::default(),
    };
    StandIn::start(move |request| state.answer(request)).await
}

impl State {
    fn answer(&self, request: &Request) -> io::Result<Answer> {
        match (&request.method, &request.route()[..]) {
            (&Method::POST, ["v2", "auth", "token"]) => {
                Ok(self.log_in(request, "identifier", "secret", "access_token"))
            }
            (&Method::POST, ["v2", "users", "login"]) => Ok(self.log_in(request, "username", "password", "token")),
            (
                method,
                ["v2", "repositories", namespace, name, "tags", rest @ ..]
                | ["v2", "namespaces", namespace, "repositories", name, "tags", rest @ ..],
            ) => {
                let repository = format!("{namespace}/{name}");
                let logged_in = request
                    .token
                    .as_ref()
                    .map(|token| self.access_tokens.lock().unwrap_or_else(PoisonError::into_inner).contains(token));
                match (method, rest, logged_in) {
                    // Everybody may read, but a token must be valid.
                    (_, _, Some(false)) | (&Method::DELETE, _, None) => Ok(unauthorized()),
                    (&Method::GET | &Method::HEAD, [], _) => self.list(request, &repository),
                    (&Method::GET | &Method::HEAD, [tag], _) => self.show(&repository, tag),
                    (&Method::DELETE, [tag], _) => {
                        let removed = self.storage.remove_tag(&repository, tag)?;
                        Ok(if removed { Answer::empty(StatusCode::NO_CONTENT) } else { not_found() })
                    }
                    _ => Ok(message(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")),
                }
            }
            _ => Ok(not_found()),
        }
    }

    fn log_in(&self, request: &Request, name: &str, secret: &str, token: &str) -> Answer {
        let (Some(name), Some(secret)) = (request.field(name), request.field(secret)) else {
            return detail(StatusCode::BAD_REQUEST, "a name and a secret are required");
        };
        if name != self.user || secret != self.personal_access_token {
            return detail(StatusCode::UNAUTHORIZED, "Incorrect authentication credentials");
        }
        let issued = format!("hub-{:032x}", fastrand::u128(..));
        self.access_tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(issued.clone());
        Answer::json(StatusCode::OK, &json!({ token: issued }))
    }

    /// A page of a repository's tags, the last pushed first. Only manifests of this page are read.
    fn list(&self, request: &Request, repository: &str) -> io::Result<Answer> {
        let Some(tags) = self.tags(repository)? else { return Ok(not_found()) };
        let page = Page::of(request, "page_size", 10);
        let last = page.last(tags.len());
        if page.number > last {
            return Ok(not_found());
        }
        let shown = &tags[page.range(tags.len())];
        let results: Vec<Value> = shown.iter().map(|tag| self.entry(repository, tag)).collect::<Result<_, _>>()?;
        let link = |number| (1..=last).contains(&number).then(|| request.page_address(page, number));
        let (next, previous) = (link(page.number + 1), link(page.number - 1));
        let body = json!({ "count": tags.len(), "next": next, "previous": previous, "results": results });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    fn show(&self, repository: &str, name: &str) -> io::Result<Answer> {
        let tags = self.tags(repository)?.unwrap_or_default();
        match tags.iter().find(|tag| tag.name == name) {
            Some(tag) => Ok(Answer::json(StatusCode::OK, &self.entry(repository, tag)?)),
            None => Ok(not_found()),
        }
    }

    /// All tags in the order of a listing; none if there is no such repository.
    fn tags(&self, repository: &str) -> io::Result<Option<Vec<Tag>>> {
        let tags = self.storage.tags(repository)?;
        if tags.is_empty() && self.storage.manifests(repository)?.is_empty() {
            return Ok(None);
        }
        let push = |(name, digest): (&String, &String)| format!("{name}@{digest}");
        let pushes: Vec<String> = tags.iter().map(push).collect();
        let mut first_seen = self.first_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first_seen = first_seen.entry(repository.to_owned()).or_default();
        first_seen.note(pushes.iter().map(String::as_str));
        let tag = |((name, digest), push): ((String, String), &String)| {
            (Reverse(first_seen.request(push)), Tag { name, digest, pushed: first_seen.time(push) })
        };
        let mut tags: Vec<_> = tags.into_iter().zip(&pushes).map(tag).collect();
        tags.sort_by_key(|(newest, _)| *newest);
        Ok(Some(tags.into_iter().map(|(_, tag)| tag).collect()))
    }

    fn entry(&self, repository: &str, tag: &Tag) -> io::Result<Value> {
        let manifest = self.storage.manifest(repository, &tag.digest)?;
        let document = manifest.as_ref().map(parsed).unwrap_or_default();
        // The platform of an image that is in no list stands in its configuration, which is not read.
        let alone = vec![json!({ "digest": tag.digest })];
        let images = document["manifests"].as_array().unwrap_or(&alone).iter().map(image);
        Ok(json!({
            "name": tag.name,
            "digest": tag.digest,
            "media_type": manifest.as_ref().map(|manifest| &manifest.media_type),
            "tag_status": "active",
            "last_updated": tag.pushed,
            "tag_last_pushed": tag.pushed,
            "images": images.collect::<Vec<_>>(),
        }))
    }
}

struct Tag {
    name: String,
    digest: String,
    pushed: String,
}

fn parsed(manifest: &StoredManifest) -> Value {
    serde_json::from_slice(&manifest.bytes).unwrap_or_default()
}

/// An image as a tag shows it, from its entry in the tag's list.
fn image(entry: &Value) -> Value {
    let platform = &entry["platform"];
    json!({
        "architecture": platform["architecture"],
        "os": platform["os"],
        "variant": platform["variant"],
        "digest": entry["digest"],
        "status": "active",
    })
}

fn detail(status: StatusCode, text: &str) -> Answer {
    Answer::json(status, &json!({ "detail": text }))
}

fn message(status: StatusCode, text: &str) -> Answer {
    Answer::json(status, &json!({ "errinfo": {}, "message": text }))
}

fn unauthorized() -> Answer {
    detail(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided or are not valid.")
}

fn not_found() -> Answer {
    message(StatusCode::NOT_FOUND, "not found")
}

/// The rule for deletions on Docker Hub's registry host: distribution deletes a manifest with all its tags, Docker Hub keeps
/// what a tag or a list needs, and deletes nothing by tag.
pub fn registry_rule(storage: Storage) -> Rule {
    Rule::on(Kind::ManifestDelete).named("docker hub keeps what is needed").decide(move |operation| {
        let operation = operation?;
        let (repository, reference) = (operation.repository.as_deref()?, operation.reference.as_deref()?);
        if operation.tag().is_some() {
            return Some(405.into());
        }
        refusal(&storage, repository, reference).unwrap_or_else(|error| {
            Some(Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &error.to_string()))
        })
    })
}

/// The refusal of a manifest's deletion; none if it may be deleted, or if the registry itself refuses it.
pub(super) fn refusal(storage: &Storage, repository: &str, digest: &str) -> io::Result<Option<Answer>> {
    let denied = |message| Ok(Some(Answer::error(StatusCode::FORBIDDEN, "DENIED", message)));
    if storage.manifest(repository, digest)?.is_none() {
        return Ok(None);
    }
    if storage.tags(repository)?.values().any(|target| target == digest) {
        return denied("the manifest is tagged");
    }
    for other in storage.manifests(repository)? {
        let manifest = storage.manifest(repository, &other)?;
        let document = manifest.as_ref().map(parsed).unwrap_or_default();
        if document["manifests"].as_array().is_some_and(|entries| entries.iter().any(|entry| entry["digest"] == digest))
        {
            return denied("the manifest is referenced by another manifest");
        }
    }
    Ok(None)
}
