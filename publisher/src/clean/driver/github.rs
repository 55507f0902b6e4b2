//! GitHub Packages, which cleans GHCR: its registry deletes nothing, and there is no deletion by tag.
//!
//! A *version* is a manifest with all its tags. Deleting one does not protect what other versions name.

mod client;

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use reqwest::{
    Method,
    header::{HeaderMap, LINK},
};
use serde::Deserialize;
use tokio::sync::OnceCell;

use self::client::Client;
use super::{Blocker, Deletion, Listing, Removal, TagEntry, api::protocol};
use crate::{
    auth::Credential,
    clean::CleanError,
    environment::Environment,
    http::Refusal,
    oci::{Digest, Tag, short},
    registry::Registry,
};

/// How often a version is read that still shows the tag which was moved away. The waits between double.
const SETTLE_READS_MAX: u32 = 6;
/// The most entries that a page can have.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;

pub(super) const PERMISSION: &str = "the workflow needs `permissions: packages: write`, and its repository the role \
    Admin on the package (Package settings, Manage Actions access); elsewhere a classic token with `read:packages` and \
    `delete:packages` is needed";

/// The driver for one package.
pub(in crate::clean) struct GitHub {
    client: Client,
    owner: String,
    /// The package's name as it stands in addresses.
    package: String,
    /// The path of the package, which is an organisation's, a user's, or the token's owner's.
    home: OnceCell<String>,
    /// The id and date of each version that was listed; also of those that are gone by now.
    versions: Mutex<HashMap<Digest, (u64, Option<SystemTime>)>>,
}

#[derive(Deserialize)]
struct Version {
    id: u64,
    name: Digest,
    created_at: Option<String>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    container: Container,
}

#[derive(Deserialize)]
struct Container {
    tags: Vec<Tag>,
}

impl GitHub {
    pub(super) fn new(registry: &Registry, credential: &Credential, env: &Environment) -> Result<Self, CleanError> {
        let name = &registry.repository().name;
        let (owner, package) = name.split_once('/').unwrap_or((name, name));
        Ok(Self {
            client: Client::new(registry, credential, env)?,
            owner: owner.into(),
            package: package.replace('/', "%2F"),
            home: OnceCell::new(),
            versions: Mutex::default(),
        })
    }

    /// Lists versions, newest first. That order is not promised, so the listing ends early only if its dates show it:
    /// when everything wanted was listed and what follows is older.
    pub(super) async fn list(&self, registry: &Registry, wanted: &HashSet<Digest>) -> Result<Listing, CleanError> {
        let home = self.home(registry).await?;
        let mut listing = Listing::default();
        let (mut last, mut is_sorted) = (None, true);
        for page in 1..=PAGES_MAX {
            let path = format!("{home}/versions?per_page={PAGE}&page={page}&state=active");
            let read_page = async || {
                let answer = self.client.call(registry, Method::GET, &path).await?;
                let versions: Vec<Version> = if answer.is_absent() { Vec::new() } else { answer.json()? };
                Ok((has_next(&answer.headers).unwrap_or(versions.len() >= PAGE), versions))
            };
            let (has_next, versions) = registry.attempts(&format!("list versions (page {page})"), read_page).await?;
            for Version { id, name: digest, created_at, metadata } in versions {
                let created_at = created_at.and_then(|text| humantime::parse_rfc3339_weak(&text).ok());
                is_sorted &= created_at.is_some() && last.is_none_or(|last| created_at <= last);
                last = Some(created_at);
                self.versions().insert(digest.clone(), (id, created_at));
                listing.created_at.extend(created_at.map(|created_at| (digest.clone(), created_at)));
                let entry = |tag| TagEntry { updated_at: created_at, ..TagEntry::new(tag, digest.clone()) };
                listing.tags.extend(metadata.container.tags.into_iter().map(entry));
            }
            // What was listed earlier and is gone by now keeps its date.
            let dates: Vec<_> = wanted.iter().map(|it| Some((it.clone(), self.versions().get(it)?.1?))).collect();
            listing.created_at.extend(dates.iter().flatten().cloned());
            let oldest = dates.iter().flatten().map(|(_, created_at)| *created_at).min();
            let is_past = oldest.is_some_and(|oldest| last.flatten().is_some_and(|last| last < oldest));
            listing.is_partial = has_next && is_sorted && is_past && dates.iter().all(Option::is_some);
            if !has_next || listing.is_partial {
                return Ok(listing);
            }
        }
        let cause = protocol(format!("the package has more than {} versions", PAGE * PAGES_MAX));
        Err(registry.failure("list versions", 1, cause).into())
    }

    /// Deletes a version, unless it has another tag by now.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        removal: Removal<'_>,
        mut check: impl AsyncFnMut() -> Result<Option<Deletion>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let digest = removal.digest;
        let Some((id, _)) = self.versions().get(digest).copied() else {
            let is_there = registry.has_manifest(digest).await?;
            return Ok(if is_there { Deletion::Kept(Blocker::NotListed) } else { Deletion::Absent });
        };
        let path = format!("{}/versions/{id}", self.home(registry).await?);
        let check = async || match check().await? {
            Some(deletion) => Ok(Some(deletion)),
            None => self.check_tags(registry, &path, removal).await,
        };
        let delete = async || match self.client.call(registry, Method::DELETE, &path).await {
            Ok(answer) if answer.is_absent() => Ok(Deletion::Absent),
            Ok(_) => Ok(Deletion::Deleted),
            Err(cause) => cause.refusal().and_then(blocker).map(Deletion::Kept).ok_or(cause),
        };
        registry.attempts_unless(&format!("delete version {}", short(digest)), check, delete).await?
    }

    /// The command that restores a deleted version, within thirty days.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        let (home, (id, _)) = (self.home.get()?, self.versions().get(digest).copied()?);
        Some(format!("gh api --method POST /{home}/versions/{id}/restore"))
    }

    /// What keeps a version: it is gone, or has a tag. GitHub shows a tag where it was for a moment after it was moved.
    async fn check_tags(
        &self,
        registry: &Registry,
        path: &str,
        removal: Removal<'_>,
    ) -> Result<Option<Deletion>, CleanError> {
        let operation = format!("read version {}", short(removal.digest));
        let mut reads = 0;
        loop {
            reads += 1;
            let read = registry.attempts(&operation, async || {
                let answer = self.client.call(registry, Method::GET, path).await?;
                if answer.is_absent() { Ok(None) } else { answer.json::<Version>().map(Some) }
            });
            let Some(version) = read.await? else { return Ok(Some(Deletion::Absent)) };
            let mut tags = version.metadata.container.tags;
            tags.retain(|tag| !removal.tags.contains(tag));
            if tags.is_empty() {
                return Ok(None);
            }
            if removal.moved.is_none_or(|moved| tags != [moved.clone()]) || reads >= SETTLE_READS_MAX {
                return Ok(Some(Deletion::Kept(Blocker::Tagged(tags))));
            }
            tokio::time::sleep(registry.backoff(reads)).await;
        }
    }

    async fn home(&self, registry: &Registry) -> Result<&str, CleanError> {
        let find = async || {
            for parent in [format!("orgs/{}", self.owner), format!("users/{}", self.owner), "user".into()] {
                let home = format!("{parent}/packages/container/{}", self.package);
                let call = async || self.client.call(registry, Method::GET, &home).await;
                if !registry.attempts("find the package", call).await?.is_absent() {
                    return Ok(home);
                }
            }
            // GitHub answers 404 for what the token may not see.
            Err(CleanError::Denied { registry: registry.name().into(), permission: PERMISSION, source: None })
        };
        self.home.get_or_try_init(find).await.map(String::as_str)
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<Digest, (u64, Option<SystemTime>)>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is another page; `None` if the answer does not say.
fn has_next(headers: &HeaderMap) -> Option<bool> {
    let link = headers.get(LINK)?.to_str().ok()?;
    Some(link.split(',').any(|link| link.contains("rel=\"next\"")))
}

/// The reason of a refusal that is no failure.
fn blocker(refusal: &Refusal) -> Option<Blocker> {
    let message = refusal.message.to_ascii_lowercase();
    if message.contains("last tagged version") || message.contains("last version") {
        return Some(Blocker::Refused("GitHub does not delete the last tagged version of a package"));
    }
    let is_popular = message.contains("5,000 downloads") || message.contains("5000 downloads");
    (refusal.status != 404 && is_popular).then_some(Blocker::Refused(
        "GitHub does not delete public versions with more than 5,000 downloads; its support can",
    ))
}
