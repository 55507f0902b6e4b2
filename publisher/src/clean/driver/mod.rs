//! How registries list their tags and delete manifests: one interface, three drivers.
//!
//! A listing has every tag that can matter and, where the registry says so cheaply, which tags cannot reach what is
//! wanted, so that they need not be read. A deletion happened, was not needed, or was refused for a reason that is no
//! failure; everything else is an error. A new driver is a file here, its lines in this one, and its
//! [`crate::config::DriverKind`].

mod api;
mod distribution;
mod dockerhub;
mod github;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::SystemTime,
};

use self::{dockerhub::DockerHub, github::GitHub};
use super::CleanError;
use crate::{
    auth::Credential,
    config::DriverKind,
    environment::Environment,
    oci::{Digest, Tag, short},
    registry::{Deleted, Name, Registry, RegistryError},
};

/// The interface of one repository.
pub(super) enum Driver {
    GitHub(GitHub),
    DockerHub(DockerHub),
    /// Nothing but the distribution API.
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

/// A manifest to be deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Removal<'a> {
    pub(super) digest: &'a Digest,
    /// The tags that are removed with it: any other keeps it.
    pub(super) tags: &'a [Tag],
    /// A tag that was moved away from it; a registry may need a moment to show that.
    pub(super) moved: Option<&'a Tag>,
}

/// The outcome of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deletion {
    Deleted,
    /// It was gone already.
    Absent,
    Kept(Blocker),
}

/// Why a manifest or a tag is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blocker {
    /// It has these tags now.
    Tagged(Vec<Tag>),
    /// The interface does not list it yet.
    NotListed,
    /// The registry refuses, for this reason.
    Refused(&'static str),
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
        match (self.created_at.get(&entry.digest), oldest) {
            (Some(created_at), Some(oldest)) => created_at >= oldest,
            _ => true,
        }
    }
}

impl Blocker {
    pub(super) const IN_USE: Self = Self::Refused("the registry says that it is still in use");
    const UNSUPPORTED: Self = Self::Refused("the registry does not delete manifests");
}

impl fmt::Display for Blocker {
    /// Follows "it stays: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged(tags) => {
                let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
                write!(f, "it has a tag now: {}", tags.join(", "))
            }
            Self::NotListed => f.write_str("GitHub Packages does not list it"),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl Driver {
    /// The driver of a kind; `None` if nothing is to be removed.
    pub(super) fn new(
        kind: DriverKind,
        registry: &Registry,
        credential: &Credential,
        env: &Environment,
    ) -> Result<Option<Self>, CleanError> {
        Ok(match kind {
            DriverKind::GitHub => Some(Self::GitHub(GitHub::new(registry, credential, env)?)),
            DriverKind::DockerHub => Some(Self::DockerHub(DockerHub::new(registry, credential, env)?)),
            DriverKind::Distribution => Some(Self::Distribution),
            DriverKind::None => None,
        })
    }

    /// Lists every tag that may reach one of the `wanted` manifests.
    pub(super) async fn list(&self, registry: &Registry, wanted: &HashSet<Digest>) -> Result<Listing, CleanError> {
        let listed = match self {
            Self::GitHub(driver) => driver.list(registry, wanted).await,
            Self::DockerHub(driver) => driver.list(registry).await,
            Self::Distribution => distribution::list(registry).await,
        };
        listed.map_err(|error| self.explain(registry, error))
    }

    /// Deletes a manifest. Right before each attempt `check` may end the deletion with another outcome.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        removal: Removal<'_>,
        check: impl AsyncFnMut() -> Result<Option<Deletion>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        let deleted = match self {
            Self::GitHub(driver) => driver.delete(registry, removal, check).await,
            Self::DockerHub(driver) => driver.delete(registry, removal.digest, check).await,
            Self::Distribution => {
                delete_manifest(registry, removal.digest, check).await.unwrap_or_else(|e| Err(e.into()))
            }
        };
        deleted.map_err(|error| self.explain(registry, error))
    }

    /// Deletes a tag, where tags are deleted apart from manifests; `None` elsewhere.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Option<Deletion>, CleanError> {
        let Self::DockerHub(driver) = self else { return Ok(None) };
        driver.delete_tag(registry, tag).await.map(Some).map_err(|error| self.explain(registry, error))
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

    /// How hard it is to remove a new tag, compared with other drivers.
    pub(super) fn hard_to_untag(&self) -> u8 {
        match self {
            Self::DockerHub(_) => 1,
            Self::Distribution => 2,
            // Packages are listed late, and the last tagged version is never deleted.
            Self::GitHub(_) => 3,
        }
    }

    /// Adds the permission that is missing, and where it is granted, to an error that says so.
    fn explain(&self, registry: &Registry, error: CleanError) -> CleanError {
        let permission = match self {
            Self::GitHub(_) => github::PERMISSION,
            Self::DockerHub(_) => dockerhub::PERMISSION,
            Self::Distribution => distribution::PERMISSION,
        };
        error.with_permission(registry.name(), permission)
    }

    /// The command that undoes a deletion, where there is one.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        match self {
            Self::GitHub(driver) => driver.restore_command(digest),
            Self::DockerHub(_) | Self::Distribution => None,
        }
    }
}

/// Deletes a manifest through the distribution API. The outer error is the registry's, the inner one that of `check`.
async fn delete_manifest(
    registry: &Registry,
    digest: &Digest,
    check: impl AsyncFnMut() -> Result<Option<Deletion>, CleanError>,
) -> Result<Result<Deletion, CleanError>, RegistryError> {
    let operation = format!("delete manifest {}", short(digest));
    let delete = async || {
        Ok(match registry.delete_once(Name::Digest(digest)).await? {
            Deleted::Yes => Deletion::Deleted,
            Deleted::Absent => Deletion::Absent,
            Deleted::Unsupported => Deletion::Kept(Blocker::UNSUPPORTED),
        })
    };
    registry.attempts_unless(&operation, check, delete).await
}
