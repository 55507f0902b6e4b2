//! Docker Hub: tags through its API, manifests through its registry.
//!
//! The API lists a hundred tags a request with the digests of their images, so tags that reach nothing of ours are never
//! read (reading counts as a pull). The registry refuses to delete what a tag or a list still names; that is documented,
//! and taken as a second safeguard, never as the only one. Whether it deletes at all, and when, is less certain: every
//! answer is handled.

mod session;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use reqwest::Method;
use serde::Deserialize;
use tokio::sync::Mutex;

use self::session::Session;
use super::{Blocker, Deletion, Listing, TagEntry, api::protocol, delete_manifest};
use crate::{
    auth::Credential,
    clean::CleanError,
    environment::Environment,
    oci::{Digest, Tag},
    registry::Registry,
};

pub(super) const PERMISSION: &str = "DOCKERHUB_TOKEN must be a personal access token of DOCKERHUB_USERNAME with Read, \
    Write & Delete; Docker Hub also answers so as long as it takes the image for one that is still referenced";
const IMMUTABLE: Blocker = Blocker::Refused("the tag is immutable");
const DELETED_LATER: Blocker = Blocker::Refused("the registry says that it goes on deleting in the background");

/// The most entries that a page can have.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;

/// The driver for one repository.
pub(in crate::clean) struct DockerHub {
    session: Session,
    namespace: String,
    repository: String,
    listed: Mutex<Listed>,
    /// Whether something was deleted, so the permission is there.
    has_deleted: AtomicBool,
}

/// The tags as of the last listing.
#[derive(Default)]
struct Listed {
    tags: BTreeMap<Tag, TagEntry>,
    /// When the newest of them was set; `None` if they must be listed anew.
    updated_at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: Tag,
    /// Not documented.
    digest: Option<String>,
    last_updated: Option<String>,
    images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    digest: Option<String>,
}

impl Entry {
    fn updated_at(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.last_updated.as_deref()?).ok()
    }

    /// All images of the tag; `None` unless each has a digest.
    fn images(&self) -> Option<Vec<Digest>> {
        let images = self.images.as_deref().filter(|images| !images.is_empty())?;
        images.iter().map(|image| image.digest.as_deref()?.parse().ok()).collect()
    }
}

impl DockerHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let name = &registry.repository().name;
        let (namespace, repository) = name.split_once('/').unwrap_or(("library", name));
        Ok(Self {
            session: Session::new(credential, env)?,
            namespace: namespace.into(),
            repository: repository.into(),
            listed: Mutex::default(),
            has_deleted: AtomicBool::new(false),
        })
    }

    /// Lists all tags the first time, after that those that changed, as long as the listing is sorted newest first.
    pub(super) async fn list(&self, registry: &Registry) -> Result<Listing, CleanError> {
        let mut listed = self.listed.lock().await;
        // A listing that fails must not leave half of the changes behind.
        let Listed { mut tags, updated_at: since } = std::mem::take(&mut *listed);
        if since.is_none() {
            tags.clear();
        }
        let (mut newest, mut last, mut is_sorted) = (since, None, true);
        for page in 1..=PAGES_MAX {
            let Page { next, results } = self.page(registry, page).await?;
            let is_empty = results.is_empty();
            for entry in results {
                let updated_at = entry.updated_at();
                is_sorted &= updated_at.is_some() && last.is_none_or(|last| updated_at <= last);
                last = Some(updated_at);
                newest = newest.max(updated_at);
                let digest = match entry.digest.as_deref().and_then(|digest| digest.parse().ok()) {
                    Some(digest) => Some(digest),
                    None => registry.resolve(&entry.name).await?,
                };
                if let Some(digest) = digest {
                    let images = entry.images();
                    tags.insert(entry.name.clone(), TagEntry { tag: entry.name, digest, images, updated_at });
                }
            }
            let has_all_changes = is_sorted && since.is_some() && last.is_some_and(|last| last < since);
            if next.is_none() || is_empty || has_all_changes {
                let listing = Listing { tags: tags.values().cloned().collect(), ..Listing::default() };
                *listed = Listed { tags, updated_at: newest };
                return Ok(listing);
            }
        }
        let cause = protocol(format!("the repository has more than {} tags", PAGE * PAGES_MAX));
        Err(registry.failure("list tags", 1, cause).into())
    }

    async fn page(&self, registry: &Registry, page: usize) -> Result<Page, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let path = format!(
            "v2/namespaces/{namespace}/repositories/{repository}/tags?page={page}&page_size={PAGE}&ordering=last_updated"
        );
        let list = async || {
            let answer = self.session.call(registry, Method::GET, &path).await?;
            // A page behind the last one is 404.
            if answer.is_absent() && page > 1 {
                return Ok(Page { next: None, results: Vec::new() });
            }
            answer.json()
        };
        Ok(registry.attempts(&format!("list tags (page {page})"), list).await?)
    }

    /// Deletes a manifest on the registry.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        check: impl AsyncFnMut() -> Result<Option<Deletion>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let error = match delete_manifest(registry, digest, check).await {
            Ok(deletion) => {
                self.note(deletion.as_ref().ok());
                return deletion;
            }
            Err(error) => error,
        };
        match error.cause.refusal().map(|refusal| refusal.status) {
            // An account that may delete a list may delete its images: this one still counts as referenced.
            Some(403) if self.has_deleted.load(Ordering::Relaxed) => Ok(Deletion::Kept(Blocker::IN_USE)),
            Some(500..) | None if error.cause.is_transient() => {
                // "May return 500. The system automatically retries in the background" (registry API, delete manifest).
                let is_there = registry.has_manifest(digest).await?;
                Ok(if is_there { Deletion::Kept(DELETED_LATER) } else { Deletion::Deleted })
            }
            _ => Err(error.into()),
        }
    }

    /// Deletes a tag. The address is used by Docker's own tools and not documented, so there are two candidates.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Deletion, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let mut deletion = Deletion::Absent;
        for path in [
            format!("v2/repositories/{namespace}/{repository}/tags/{tag}/"),
            format!("v2/namespaces/{namespace}/repositories/{repository}/tags/{tag}"),
        ] {
            let delete = async || match self.session.call(registry, Method::DELETE, &path).await {
                Ok(answer) if answer.is_absent() => Ok(Deletion::Absent),
                Ok(_) => Ok(Deletion::Deleted),
                Err(cause) => match cause.refusal() {
                    Some(refusal) if refusal.status == 405 => Ok(Deletion::Kept(Blocker::UNSUPPORTED)),
                    Some(refusal) if refusal.message.to_ascii_lowercase().contains("immutable") => {
                        Ok(Deletion::Kept(IMMUTABLE))
                    }
                    _ => Err(cause),
                },
            };
            deletion = registry.attempts(&format!("delete tag {tag}"), delete).await?;
            if deletion == Deletion::Deleted || deletion == Deletion::Kept(IMMUTABLE) {
                break;
            }
        }
        self.note(Some(&deletion));
        if deletion == Deletion::Deleted {
            self.listed.lock().await.tags.remove(tag);
        }
        Ok(deletion)
    }

    fn note(&self, deletion: Option<&Deletion>) {
        if deletion == Some(&Deletion::Deleted) {
            self.has_deleted.store(true, Ordering::Relaxed);
        }
    }
}
