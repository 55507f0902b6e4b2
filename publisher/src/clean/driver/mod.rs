//! How registries list their tags and delete manifests: one interface, three drivers.
//!
//! A listing has every tag that can matter and, where the registry says so cheaply, which tags cannot reach what is
//! wanted, so that they need not be read. A deletion happened, was not needed, or was refused for a reason that is no
//! failure; everything else is an error. A new driver is a file here, its lines in this one, and its
//! [`crate::config::DriverKind`]. The distribution API needs no file.

mod api;
mod dockerhub;
mod github;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::SystemTime,
};

use futures::future::try_join_all;

pub(super) use self::{dockerhub::DockerHub, github::GitHub};
use super::Problem;
use crate::{
    oci::{Digest, Tag, short},
    registry::{Deleted, Name, Registry, RegistryError},
};

/// The most entries that a page of a listing can have, on GitHub and on Docker Hub.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;

/// How many tags are resolved at once.
const RESOLVES_MAX: usize = 16;

pub(super) const IN_USE: &str = "the registry says that it is still in use";
const UNSUPPORTED: &str = "the registry does not delete manifests";

/// The interface of one repository.
pub(super) enum Driver {
    GitHub(GitHub),
    DockerHub(DockerHub),
    /// Nothing but the distribution API: `DELETE` by digest, which removes all tags on that digest.
    Distribution,
}

/// A tag in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TagEntry {
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    /// All images that it reaches, where the registry lists them.
    pub(super) images: Option<Vec<Digest>>,
    /// When it was set, where the registry lists that.
    pub(super) updated_at: Option<SystemTime>,
}

/// The tags of a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) tags: Vec<TagEntry>,
    /// When manifests were pushed, where the registry lists that. A list cannot name what was pushed after it.
    pub(super) created_at: HashMap<Digest, SystemTime>,
    /// Whether manifests are missing that are older than everything wanted.
    pub(super) is_partial: bool,
}

/// The outcome of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deletion {
    Deleted,
    /// It was gone already.
    Absent,
    /// It stays: it has these tags now.
    Tagged(Vec<Tag>),
    /// It stays: the interface does not list it yet.
    NotListed,
    /// It stays for this reason.
    Kept(&'static str),
}

impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("it was deleted"),
            Self::Absent => f.write_str("it was gone already"),
            Self::Tagged(tags) => {
                let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
                write!(f, "it has a tag now: {}", tags.join(", "))
            }
            Self::NotListed => f.write_str("GitHub Packages does not list it"),
            Self::Kept(reason) => f.write_str(reason),
        }
    }
}

impl TagEntry {
    pub(super) fn new(tag: Tag, digest: Digest) -> Self {
        Self { tag, digest, images: None, updated_at: None }
    }
}

impl Listing {
    /// Whether a tag may reach one of the `wanted` manifests, so that its target must be read.
    pub(super) fn may_reach(&self, entry: &TagEntry, wanted: &HashSet<Digest>) -> bool {
        if wanted.contains(&entry.digest) {
            return true;
        }
        if let Some(images) = &entry.images {
            return images.iter().any(|digest| wanted.contains(digest));
        }
        let oldest = wanted.iter().filter_map(|digest| self.created_at.get(digest)).min();
        let created_at = self.created_at.get(&entry.digest);
        created_at.is_none_or(|created_at| oldest.is_none_or(|oldest| created_at >= oldest))
    }
}

impl Driver {
    /// Lists every tag that may reach one of the `wanted` manifests.
    pub(super) async fn list(&self, registry: &Registry, wanted: &HashSet<Digest>) -> Result<Listing, Problem> {
        let listed = match self {
            Self::GitHub(driver) => driver.list(registry, wanted).await,
            Self::DockerHub(driver) => driver.list(registry).await,
            Self::Distribution => list_tags(registry).await.map_err(Problem::from),
        };
        listed.map_err(|problem| self.explain(registry, problem))
    }

    /// Deletes a manifest with these tags: any other tag keeps it. `moved` is a tag that was moved away from it; a registry
    /// may need a moment to show that. Right before each attempt `check` may end the deletion with another outcome.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        tags: &[Tag],
        moved: Option<&Tag>,
        check: impl AsyncFnMut() -> Result<Option<Deletion>, Problem>,
    ) -> Result<Deletion, Problem> {
        let deleted = match self {
            Self::GitHub(driver) => driver.delete(registry, digest, tags, moved, check).await,
            Self::DockerHub(driver) => driver.delete(registry, digest, check).await,
            Self::Distribution => {
                delete_manifest(registry, digest, check).await.unwrap_or_else(|error| Err(error.into()))
            }
        };
        deleted.map_err(|problem| self.explain(registry, problem))
    }

    /// Deletes a tag, where tags are deleted apart from manifests; `None` elsewhere.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Option<Deletion>, Problem> {
        let Self::DockerHub(driver) = self else { return Ok(None) };
        driver.delete_tag(registry, tag).await.map(Some).map_err(|problem| self.explain(registry, problem))
    }

    /// Whether tags are deleted apart from manifests. Elsewhere only the deletion of a manifest removes its tags.
    pub(super) fn deletes_tags(&self) -> bool {
        matches!(self, Self::DockerHub(_))
    }

    /// Whether a listing takes a request for every tag.
    pub(super) fn resolves_every_tag(&self) -> bool {
        matches!(self, Self::Distribution)
    }

    /// Whether the registry may have a referrers API. GHCR answers with a web page.
    pub(super) fn has_referrers(&self) -> bool {
        !matches!(self, Self::GitHub(_))
    }

    /// Adds the permission that is missing, and where it is granted, to a problem that is a refusal.
    fn explain(&self, registry: &Registry, mut problem: Problem) -> Problem {
        let permission = match self {
            Self::GitHub(_) => github::PERMISSION,
            Self::DockerHub(_) => dockerhub::PERMISSION,
            Self::Distribution => "the account needs the right to delete (scope `delete`) in this repository",
        };
        if problem.denied {
            problem.causes.insert(0, format!("{} does not allow it: {permission}", registry.name));
        }
        problem
    }

    /// The command that undoes a deletion, where there is one.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        let Self::GitHub(driver) = self else { return None };
        driver.restore_command(digest)
    }
}

/// Lists tags through the distribution API, which gives neither dates nor digests: it takes a request for every tag.
async fn list_tags(registry: &Registry) -> Result<Listing, RegistryError> {
    let mut listing = Listing::default();
    for tags in registry.tags().await?.chunks(RESOLVES_MAX) {
        let digests = try_join_all(tags.iter().map(async |tag| registry.resolve(tag).await)).await?;
        // A tag that vanished meanwhile is left out.
        let found = tags.iter().zip(digests).filter_map(|(tag, digest)| Some(TagEntry::new(tag.clone(), digest?)));
        listing.tags.extend(found);
    }
    Ok(listing)
}

/// Deletes a manifest through the distribution API. The outer error is the registry's, the inner one that of `check`.
async fn delete_manifest(
    registry: &Registry,
    digest: &Digest,
    check: impl AsyncFnMut() -> Result<Option<Deletion>, Problem>,
) -> Result<Result<Deletion, Problem>, RegistryError> {
    let operation = format!("delete manifest {}", short(digest));
    let delete = async || {
        Ok(match registry.delete_once(Name::Digest(digest)).await? {
            Deleted::Yes => Deletion::Deleted,
            Deleted::Absent => Deletion::Absent,
            Deleted::Unsupported => Deletion::Kept(UNSUPPORTED),
        })
    };
    registry.attempts_unless(&operation, check, delete).await
}

/// Whether a listing with these dates is complete up to the last one: each entry has a date, the newest first.
fn is_newest_first(dates: &[Option<SystemTime>]) -> bool {
    dates.iter().all(Option::is_some) && dates.is_sorted_by(|newer, older| newer >= older)
}
