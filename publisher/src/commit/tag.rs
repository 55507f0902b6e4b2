//! The tag moved on all registries, or put back on those where it was.
//!
//! The distribution API has no transaction and no compare-and-swap. What stands in for them: everything that can fail
//! slowly was done before (the list is on every registry, by digest); moving is one small PUT a registry, all at once;
//! what the tag pointed at is remembered and put back if one of them fails; and a floating tag is compared with the
//! live one before and after, so that of two runs at the same time the newer build wins.

use std::sync::Arc;

use futures::future::{join_all, try_join_all};

use super::{
    age::{Age, Build},
    live::{Live, forward, look},
    readback::{ReadBack, read_back},
};
use crate::{
    event::{Event, Events},
    exit::{Exit, Failure, NOTHING_PUBLISHED},
    oci::{Digest, RawManifest, Tag, short},
    registry::{Deleted, Name, Registry, RegistryError},
};

/// How often our tag is written again when an older run has overwritten it in the same moment.
const REWRITES_MAX: u32 = 2;

/// What is to become visible.
pub struct TagMove<'a> {
    /// The tag.
    pub tag: &'a Tag,
    /// The list, which every registry has already, by digest.
    pub list: &'a RawManifest,
    /// What the list's images say of their build.
    pub build: &'a Build,
    /// Whether the tag moves with every build; only then it is compared with the live one.
    pub floating: bool,
    /// Which registries did not have the list before this run put it there, in their order. Only there a tag that must
    /// not stay can be removed by removing the list.
    pub fresh: &'a [bool],
}

/// What happened to the tag on one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// What the tag pointed at before.
    pub previous: Option<Digest>,
    /// How long it took until the registry showed the new content.
    pub read_back: std::time::Duration,
}

/// What the tag pointed at on each registry before it was moved: from this it can be put back.
pub struct Journal(Vec<Live>);

impl Journal {
    /// What the tag pointed at on one registry, by its place.
    pub fn before(&self, at: usize) -> Option<&RawManifest> {
        self.0.get(at)?.manifest.as_ref()
    }
}

/// Looks what the tag points at on all registries, and whether it may move.
///
/// # Errors
/// [`Exit::PushFailed`] when a registry does not say. [`Exit::Superseded`] when a newer build is live: the tag stays with
/// it, and follows it where a killed run left it behind.
pub async fn compare(registries: &[Arc<Registry>], to: &TagMove<'_>, events: &Events) -> Result<Journal, Failure> {
    let before = look(registries, to.tag).await.map_err(unmoved)?;
    if to.floating {
        refuse_if_newer(registries, &before, to, events).await?;
    }
    Ok(Journal(before))
}

/// Moves the tag on all registries.
///
/// # Errors
/// [`Exit::PushFailed`] when a registry fails for good: the tag is put back everywhere.
pub async fn move_tag(
    registries: &[Arc<Registry>],
    to: &TagMove<'_>,
    journal: &Journal,
    events: &Events,
) -> Result<(), Failure> {
    put_all(registries, &journal.0, to, events).await
}

/// Reads the tag back from all registries until they show it.
///
/// # Errors
/// [`Exit::PushFailed`] when a registry goes on showing something else, [`Exit::Superseded`] when a newer build took the
/// tag meanwhile.
pub async fn confirm(
    registries: &[Arc<Registry>],
    to: &TagMove<'_>,
    journal: &Journal,
    events: &Events,
) -> Result<Vec<Movement>, Failure> {
    try_join_all(registries.iter().zip(&journal.0).map(async |(registry, before)| {
        let read_back = settle(registries, registry, before, to, events).await?;
        Ok(Movement { previous: before.digest().cloned(), read_back })
    }))
    .await
}

async fn refuse_if_newer(
    registries: &[Arc<Registry>],
    live: &[Live],
    to: &TagMove<'_>,
    events: &Events,
) -> Result<(), Failure> {
    let mut newest: Option<(&RawManifest, Build)> = None;
    for (registry, manifest) in registries.iter().zip(live).filter_map(|(r, live)| Some((r, live.manifest.as_ref()?))) {
        if manifest.digest == to.list.digest
            || newest.as_ref().is_some_and(|(known, _)| known.digest == manifest.digest)
        {
            continue;
        }
        let build = super::live::build_of(registry, manifest).await.map_err(unmoved)?;
        let yet_newer = newest.as_ref().is_none_or(|(_, known)| known.age_of(&build) == Age::Newer);
        if to.build.age_of(&build) == Age::Newer && yet_newer {
            newest = Some((manifest, build));
        }
    }
    match newest {
        Some((manifest, build)) => Err(superseded(registries, manifest, &build, to.tag, events).await),
        None => Ok(()),
    }
}

/// Leaves the tag with the newer build, and brings it there where it is not yet.
async fn superseded(
    registries: &[Arc<Registry>],
    newer: &RawManifest,
    build: &Build,
    tag: &Tag,
    events: &Events,
) -> Failure {
    forward(registries, tag, newer, events).await;
    let revision = build.revision.as_deref().unwrap_or("an unknown commit");
    Failure::new(
        Exit::Superseded,
        format!("a newer build is published as {tag}: {} of {revision}", short(&newer.digest)),
    )
    .left(format!("nothing was published; {tag} stays with the newer build"))
    .hint(format!("{tag} never moves to an older commit; to go back, revert in a new commit"))
}

/// One PUT a registry, all at once. If one fails for good, puts the tag back everywhere.
async fn put_all(
    registries: &[Arc<Registry>],
    before: &[Live],
    to: &TagMove<'_>,
    events: &Events,
) -> Result<(), Failure> {
    let puts = registries.iter().zip(before).map(async |(registry, before)| {
        if before.digest() == Some(&to.list.digest) {
            return Ok(());
        }
        let put = registry.put_manifest(Name::Tag(to.tag), to.list).await;
        // An answer that got lost is no failure: what counts is what the registry shows.
        let landed =
            put.is_err() && registry.resolve(to.tag).await.is_ok_and(|seen| seen.as_ref() == Some(&to.list.digest));
        if landed { Ok(()) } else { put }
    });
    let outcomes = join_all(puts).await;
    if outcomes.iter().all(Result::is_ok) {
        return Ok(());
    }
    let restored = join_all(registries.iter().zip(before).zip(&outcomes).zip(to.fresh).map(
        async |(((registry, before), outcome), fresh)| {
            if outcome.is_err() {
                still(registry, before, to.tag).await
            } else {
                restore(registry, before, to, *fresh).await
            }
        },
    ));
    let left = restored.await.join("; ");
    events.event(Event::Warning(format!("{} could not be moved everywhere: {left}", to.tag)));
    let error = outcomes.into_iter().find_map(Result::err);
    Err(error.map_or_else(|| Failure::new(Exit::PushFailed, "a tag could not be moved"), Failure::from).left(left))
}

/// Says what a registry shows on which the tag could not be moved. Where it was taken away first, it is put back.
async fn still(registry: &Registry, before: &Live, tag: &Tag) -> String {
    let name = registry.name();
    match registry.resolve(tag).await {
        Ok(seen) if seen.as_ref() == before.digest() => format!("{tag} is as before on {name}"),
        Ok(Some(seen)) => format!("{tag} points at {} on {name}", short(&seen)),
        Ok(None) => match &before.manifest {
            Some(manifest) if registry.put_manifest(Name::Tag(tag), manifest).await.is_ok() => {
                format!("{tag} is as before on {name}")
            }
            _ => format!("{tag} is absent on {name}"),
        },
        Err(_) => format!("what {tag} points at on {name} is not known, it does not answer"),
    }
}

/// Undoes the move on a registry where it succeeded, and says what came of it. Whoever has moved the tag on since then
/// knows better: that is not ours to undo.
async fn restore(registry: &Registry, before: &Live, to: &TagMove<'_>, fresh: bool) -> String {
    let (tag, name) = (to.tag, registry.name());
    if let Ok(Some(seen)) = registry.resolve(tag).await
        && seen != to.list.digest
    {
        return format!("{tag} points at {} on {name}, where somebody has moved it since", short(&seen));
    }
    let undone = match &before.manifest {
        Some(manifest) if manifest.digest == to.list.digest => Ok(true),
        Some(manifest) => registry.put_manifest(Name::Tag(tag), manifest).await.map(|()| true),
        None => remove(registry, to, fresh).await,
    };
    match (undone, before.digest()) {
        (Ok(true), Some(_)) => format!("{tag} is as before on {name}"),
        (Ok(true), None) => format!("{tag} was removed again on {name}"),
        (Ok(false), _) => format!("{tag} stays on {name}, which cannot delete a tag alone"),
        (Err(error), _) => format!("{tag} could not be put back on {name}: {}", error.cause),
    }
}

/// Removes a tag that was not there before: alone where the registry can, else with the list, if that is ours alone.
async fn remove(registry: &Registry, to: &TagMove<'_>, fresh: bool) -> Result<bool, RegistryError> {
    match registry.delete_manifest(Name::Tag(to.tag)).await? {
        Deleted::Yes | Deleted::Absent => Ok(true),
        Deleted::Unsupported if fresh => {
            Ok(registry.delete_manifest(Name::Digest(&to.list.digest)).await? != Deleted::Unsupported)
        }
        Deleted::Unsupported => Ok(false),
    }
}

/// Waits until a registry shows the tag as moved; gives way to a newer build and holds against an older one.
async fn settle(
    registries: &[Arc<Registry>],
    registry: &Arc<Registry>,
    before: &Live,
    to: &TagMove<'_>,
    events: &Events,
) -> Result<std::time::Duration, Failure> {
    let moved =
        |failure: Failure| failure.left(format!("{} was moved, {} did not confirm it", to.tag, registry.name()));
    for _ in 0..=REWRITES_MAX {
        let seen = read_back(registry, to.tag, &to.list.digest, before.digest()).await;
        match seen.map_err(|error| moved(error.into()))? {
            ReadBack::Ours(waited) => return Ok(waited),
            ReadBack::Stale(seen) => {
                let seen = seen.as_ref().map_or("nothing", short);
                let message =
                    format!("{} still shows {seen} as {} on {}", registry.repository(), to.tag, registry.name());
                return Err(moved(Failure::new(Exit::PushFailed, message)));
            }
            ReadBack::Other(_) if to.floating => {
                let other = registry.manifest(Name::Tag(to.tag)).await.map_err(|error| moved(error.into()))?;
                let Some(other) = other else { continue };
                let build = super::live::build_of(registry, &other).await.map_err(|error| moved(error.into()))?;
                if to.build.age_of(&build) == Age::Newer {
                    return Err(superseded(registries, &other, &build, to.tag, events).await);
                }
                events.event(Event::Note(format!(
                    "an older build took {} on {}, taking it back",
                    to.tag,
                    registry.name()
                )));
                registry.put_manifest(Name::Tag(to.tag), to.list).await.map_err(|error| moved(error.into()))?;
            }
            ReadBack::Other(seen) => {
                let message = format!("somebody else moved {} on {} to {}", to.tag, registry.name(), short(&seen));
                return Err(Failure::new(Exit::PushFailed, message).left("the tag points at different images"));
            }
        }
    }
    Err(moved(Failure::new(Exit::PushFailed, format!("another run keeps moving {} on {}", to.tag, registry.name()))))
}

fn unmoved(error: RegistryError) -> Failure {
    Failure::from(error).left(NOTHING_PUBLISHED)
}
