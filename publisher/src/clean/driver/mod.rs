//! How the registries let themselves be looked at and cleaned: one interface, three drivers.
//!
//! A look tells every tag that can matter and, where the registry tells it cheaply, which tags cannot have to do with
//! what is sought, so that they need not be read. A deletion either happened, or was not needed, or did not happen for a
//! reason that is no failure; everything else is an error.

mod api;
mod distribution;
mod dockerhub;
mod github;
mod stock;

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

pub(super) use self::stock::Stock;
use self::{distribution::Distribution, dockerhub::DockerHub, github::GitHub};
use super::CleanError;
use crate::{
    auth::Credential,
    config::DriverKind,
    environment::Environment,
    oci::{Digest, Tag, short},
    registry::{Deleted, Name, Registry, RegistryError},
};

/// A tag, as a look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    /// Every image that it holds, where the registry tells: one that holds none of ours need not be read.
    pub(super) images: Option<Vec<Digest>>,
    /// Since when it is known to be there, where the registry tells.
    pub(super) since: Option<SystemTime>,
}

/// What a look found.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) sightings: Vec<Sighting>,
    /// When manifests came to be, where the registry tells. A list cannot name what came after it.
    pub(super) born: HashMap<Digest, SystemTime>,
    /// Whether older manifests were left out because none of those sought is as old.
    pub(super) shortened: bool,
}

impl Look {
    /// Whether a tag can have to do with what is ours, so that it must be read.
    pub(super) fn is_related(&self, sighting: &Sighting, ours: &HashSet<Digest>) -> bool {
        if ours.contains(&sighting.digest) {
            return true;
        }
        if let Some(images) = &sighting.images {
            return images.iter().any(|digest| ours.contains(digest));
        }
        let oldest = ours.iter().filter_map(|digest| self.born.get(digest)).min();
        match (self.born.get(&sighting.digest), oldest) {
            (Some(born), Some(oldest)) => born >= oldest,
            _ => true,
        }
    }
}

/// The tags that a manifest may have when it is deleted: any other keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leaving<'a> {
    /// They go with it.
    pub(super) with_it: &'a [Tag],
    /// It was moved away; a registry may need a moment to show that.
    pub(super) moved: Option<&'a Tag>,
}

/// What became of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deletion {
    /// It is gone.
    Gone,
    /// It was gone already.
    Absent,
    /// It stays.
    Stays(Stays),
}

/// Why something stays that was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stays {
    /// It has a tag now.
    Tagged(Vec<Tag>),
    /// The registry says that it is still in use.
    InUse,
    /// The registry does not delete in this way.
    Unsupported,
    /// GitHub never deletes the last version that has a tag.
    LastTagged,
    /// GitHub never deletes a public version with more than 5,000 downloads.
    Popular,
    /// Docker Hub never deletes a tag that is immutable.
    Immutable,
    /// The registry goes on deleting by itself.
    Later,
    /// GitHub does not list it yet.
    Unlisted,
}

impl Stays {
    /// In words, after "it stays: ".
    pub(super) fn words(&self) -> String {
        match self {
            Self::Tagged(tags) => {
                format!("it has a tag now: {}", tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::InUse => "the registry says that it is still in use".into(),
            Self::Unsupported => "the registry does not delete manifests".into(),
            Self::LastTagged => "GitHub does not delete the last tagged version of a package".into(),
            Self::Popular => {
                "GitHub does not delete public versions with more than 5,000 downloads; its support can".into()
            }
            Self::Immutable => "the tag is immutable".into(),
            Self::Later => "the registry says that it goes on deleting in the background".into(),
            Self::Unlisted => "GitHub Packages does not list it".into(),
        }
    }
}

/// The interface of one registry.
pub(super) enum Driver {
    GitHub(GitHub),
    DockerHub(DockerHub),
    Distribution(Distribution),
}

/// Deletes a manifest on the registry itself, unless something keeps it right before an attempt.
async fn delete_manifest(
    registry: &Registry,
    digest: &Digest,
    mut held: impl AsyncFnMut() -> Result<Option<Stays>, CleanError>,
) -> Result<Result<Deletion, CleanError>, RegistryError> {
    let operation = format!("delete manifest {}", short(digest));
    let deleted = registry.attempts(&operation, async || {
        Ok(match held().await {
            Err(error) => Err(error),
            Ok(Some(why)) => Ok(Deletion::Stays(why)),
            Ok(None) => Ok(match registry.delete_once(Name::Digest(digest)).await? {
                Deleted::Yes => Deletion::Gone,
                Deleted::Absent => Deletion::Absent,
                Deleted::Unsupported => Deletion::Stays(Stays::Unsupported),
            }),
        })
    });
    deleted.await
}

impl Driver {
    /// A registry with nothing but the distribution API.
    pub(super) const PLAIN: Self = Self::Distribution(Distribution);

    /// The driver of a kind; nothing if nothing is to be removed there.
    pub(super) fn new(
        kind: DriverKind,
        registry: &Registry,
        credential: &Credential,
        env: &Environment,
    ) -> Result<Option<Self>, CleanError> {
        Ok(match kind {
            DriverKind::GitHub => Some(Self::GitHub(GitHub::new(registry, credential, env)?)),
            DriverKind::DockerHub => Some(Self::DockerHub(DockerHub::new(registry, credential, env)?)),
            DriverKind::Distribution => Some(Self::Distribution(Distribution)),
            DriverKind::None => None,
        })
    }

    /// Every tag that can have to do with one of `sought`.
    pub(super) async fn look(&self, registry: &Registry, sought: &HashSet<Digest>) -> Result<Look, CleanError> {
        match self {
            Self::GitHub(driver) => driver.look(registry, sought).await,
            Self::DockerHub(driver) => driver.look(registry).await,
            Self::Distribution(driver) => driver.look(registry).await,
        }
    }

    /// Deletes a manifest, after a last look at what only the driver can see. Right before each attempt `held` tells what
    /// keeps it by then.
    pub(super) async fn delete(
        &self,
        registry: &Registry,
        digest: &Digest,
        leaving: Leaving<'_>,
        held: impl AsyncFnMut() -> Result<Option<Stays>, CleanError>,
    ) -> Result<Deletion, CleanError> {
        match self {
            Self::GitHub(driver) => driver.delete(registry, digest, leaving, held).await,
            Self::DockerHub(driver) => driver.delete(registry, digest, held).await,
            Self::Distribution(driver) => driver.delete(registry, digest, held).await,
        }
    }

    /// Deletes a tag alone, where tags are deleted apart from manifests; nothing elsewhere, where it goes with them.
    pub(super) async fn delete_tag(&self, registry: &Registry, tag: &Tag) -> Result<Option<Deletion>, CleanError> {
        match self {
            Self::DockerHub(driver) => driver.delete_tag(registry, tag).await.map(Some),
            Self::GitHub(_) | Self::Distribution(_) => Ok(None),
        }
    }

    /// Whether the deletion of a manifest takes its tags with it, and nothing else deletes a tag.
    pub(super) fn deletes_tags_with_manifests(&self) -> bool {
        !matches!(self, Self::DockerHub(_))
    }

    /// Whether a look is a request for every tag.
    pub(super) fn asks_for_every_tag(&self) -> bool {
        matches!(self, Self::Distribution(_))
    }

    /// Whether the registry may have a referrers API. GHCR answers with a web page.
    pub(super) fn has_referrers(&self) -> bool {
        !matches!(self, Self::GitHub(_))
    }

    /// How a deletion is undone, where it can be.
    pub(super) fn restore_command(&self, digest: &Digest) -> Option<String> {
        match self {
            Self::GitHub(driver) => driver.restore_command(digest),
            Self::DockerHub(_) | Self::Distribution(_) => None,
        }
    }
}
