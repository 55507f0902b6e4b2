//! The tag moved on all registries, or put back on those where it was.
//!
//! The distribution API has no transaction and no compare-and-swap. What stands in for them:
//!
//! 1. Everything that can fail slowly was done before: the list is on every registry, by digest. Moving is one small PUT
//!    a registry.
//! 2. A run writes the tag on one registry at a time, and right before every attempt it looks at the tag on *all* of
//!    them. A newer build on any of them ends the run: it writes that build where it is not yet, and nothing else.
//! 3. After its last write a run looks at all registries again until it sees one list everywhere. An older list that
//!    took the place of ours is overwritten. A run that removes what it replaced does this once more as its last act.
//! 4. If a registry fails for good, the tag is put back where it still shows what this run set.
//!
//! Why that is enough for two registries or more: by 3, whoever writes last has seen what is left in the end, so it is
//! the same everywhere. By 2, an older run whose PUT lands late, after the newer run is done, has overwritten it on one
//! registry only; before it writes on the next one, or ends, it looks and sees the newer build there. What is left over
//! is in `docs/protocol.md`.

use std::{sync::Arc, time::Duration};

use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Build, Child,
    list::restore_children,
    live::{Published, Snapshot, TagReader},
};
use crate::{
    clean::Cleaner,
    event::{Event, Events},
    exit::{Exit, Failure, NOTHING_PUBLISHED},
    http::RequestError,
    oci::{Digest, RawManifest, Tag, short},
    registry::{Name, Registry, RegistryError},
};

/// How long one attempt to write a tag may take. After that the run looks again before it writes again.
const PUT_MAX: Duration = Duration::from_secs(20);
/// How long a registry may go on showing the old content after it accepted the new one.
pub const READ_BACK_MAX: Duration = Duration::from_secs(60);
/// After this long, what seems to be the old content still may be an older run's roll-back: the tag is written again.
const STALE_MAX: Duration = Duration::from_secs(15);
/// The first pause between two looks; it doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a run writes a tag again that others have overwritten, on all registries together.
const REWRITES_MAX: u32 = 10;
/// How often a run follows newer builds that take each other's place while it brings them to all registries.
const FORWARDS_MAX: usize = 10;

/// What is to become visible.
pub struct TagMove<'a> {
    /// The tag.
    pub tag: &'a Tag,
    /// The list, which every registry has already, by digest.
    pub list: &'a RawManifest,
    /// What it names.
    pub children: &'a [Child],
    /// What the list's images say of their build.
    pub build: &'a Build,
    /// Whether the tag moves with every build; only then builds are compared.
    pub floating: bool,
    /// Whether it replaces what the tag points at when the run begins, even if that is newer.
    pub even_if_older: bool,
}

/// What this run has done to the tag on one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    /// A PUT was sent then, and may have landed.
    Written(Instant),
    /// The registry has shown it, so long after the PUT.
    Shown(Duration),
}

/// A tag on its way.
pub struct Mover<'a> {
    registries: &'a [Arc<Registry>],
    /// The cleaners of the registries, by which a new tag is removed.
    cleaners: &'a [Option<Cleaner>],
    to: TagMove<'a>,
    events: Events,
    live: TagReader<'a>,
    /// What the tag pointed at on each registry when the run began: from this it can be put back.
    before: Vec<Option<RawManifest>>,
    states: Vec<State>,
    /// What others had set meanwhile and this run has overwritten.
    pub overwritten: Vec<Digest>,
}

impl<'a> Mover<'a> {
    /// Reads what the tag points at on all registries, and decides whether it may move.
    ///
    /// # Errors
    /// [`Exit::PushFailed`] when a registry fails. [`Exit::Superseded`] when a newer build is live: the tag stays
    /// with it, and follows it where a killed run left it behind.
    pub async fn begin(
        registries: &'a [Arc<Registry>],
        cleaners: &'a [Option<Cleaner>],
        to: TagMove<'a>,
        events: &Events,
    ) -> Result<Self, Failure> {
        let mut live = TagReader::new(registries, to.tag);
        live.insert(to.list.clone(), to.build.clone());
        let seen = live.read().await.map_err(|error| Failure::from(error).left(NOTHING_PUBLISHED))?;
        let published: Vec<_> = seen.iter().map(|digest| live.known.get(digest.as_ref()?)).collect();
        let before = published.iter().map(|published| Some(published.as_ref()?.manifest.clone())).collect();
        // A build of the same commit takes the place of an earlier one.
        let again = |build: &Build| to.even_if_older || build.revision == to.build.revision;
        let replaceable = published.iter().flatten().filter(|published| again(&published.build));
        live.replaceable = replaceable.map(|published| published.manifest.digest.clone()).collect();
        let states = vec![State::Untouched; registries.len()];
        let events = Arc::clone(events);
        let mut mover = Self { registries, cleaners, to, events, live, before, states, overwritten: Vec::new() };
        mover.give_way().await?;
        Ok(mover)
    }

    /// What the tag pointed at on one registry when the run began, by its place.
    pub fn before(&self, at: usize) -> Option<&RawManifest> {
        self.before.get(at)?.as_ref()
    }

    /// How long it took until a registry showed the new content; `None` if it was not read back.
    pub fn read_back(&self, at: usize) -> Option<Duration> {
        if let State::Shown(waited) = self.states[at] { Some(waited) } else { None }
    }

    /// Moves the tag on one registry after the other: first where that can be undone, last where it cannot.
    ///
    /// # Errors
    /// [`Exit::PushFailed`] when a registry fails for good: the tag is put back everywhere. [`Exit::Superseded`] when a
    /// newer build shows up.
    pub async fn advance(&mut self) -> Result<(), Failure> {
        let mut order: Vec<usize> = (0..self.registries.len()).collect();
        order.sort_by_key(|at| self.hard_to_undo(*at));
        for at in order {
            loop {
                match self.write(at, self.to.list).await {
                    Ok(true) => break,
                    Ok(false) => self.give_way().await?,
                    Err(error) => return Err(self.put_back(error.into()).await),
                }
            }
        }
        Ok(())
    }

    /// Looks until all registries show the list: takes the tag back from an older build, gives way to a newer one.
    ///
    /// # Errors
    /// [`Exit::PushFailed`] when a registry goes on showing something else, [`Exit::Superseded`] when a newer build took
    /// the tag meanwhile.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        let (start, mut pause, mut rewrites) = (Instant::now(), PAUSE_FIRST, 0);
        loop {
            let seen = self.live.read().await.map_err(|error| self.unconfirmed(error.into()))?;
            if self.newer(&seen).is_some() {
                self.give_way().await?;
                continue;
            }
            self.note(&seen);
            let behind = (0..seen.len()).find(|at| seen[*at].as_ref() != Some(&self.to.list.digest));
            let Some(behind) = behind else { return Ok(()) };
            match (0..seen.len()).find(|at| self.is_lost(*at, seen[*at].as_ref())) {
                Some(at) if rewrites < REWRITES_MAX => {
                    rewrites += 1;
                    self.take_back(at, seen[at].clone()).await?;
                }
                None if start.elapsed() + pause <= READ_BACK_MAX => {}
                _ => return Err(self.unconfirmed(self.still_shows(behind, seen[behind].as_ref()))),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// [`settle`](Self::settle), and makes sure that every image is there that the list names. Another run's clean-up may
    /// have scanned before the tag was there and deleted after: what is missing is put back.
    ///
    /// # Errors
    /// Those of `settle`, and [`Exit::PushFailed`] when an image cannot be put back. The tag has moved by then.
    pub async fn confirm(&mut self) -> Result<(), Failure> {
        self.settle().await?;
        let ensure = |at| restore_children(self.registries, at, self.to.children, &self.events);
        let ensured = try_join_all((0..self.registries.len()).map(ensure)).await;
        let left = || format!("{} was moved, and an image that it needs may be missing", self.to.tag);
        ensured.map(drop).map_err(|failure| failure.left(left()))
    }

    /// Undoes what this run did to the tag, and says what came of it. A newer build that shows up meanwhile is brought to
    /// all registries instead, and the run ends as superseded.
    pub async fn put_back(&mut self, failure: Failure) -> Failure {
        let restored = join_all((0..self.registries.len()).map(|at| self.restore(at))).await;
        let (is_back, left): (Vec<bool>, Vec<String>) = restored.into_iter().unzip();
        let mut left = left.join("; ");
        // What was put back is a write like any other, so the tags are read after it. Another run of the same commit may have
        // succeeded meanwhile where this one failed.
        let ours = Some(&self.to.list.digest);
        let is_shown = |seen: Result<Option<Digest>, _>| seen.is_ok_and(|seen| seen.as_ref() == ours);
        if is_back.iter().zip(self.live.read_each().await).any(|(is_back, seen)| *is_back && is_shown(seen)) {
            for at in 0..self.registries.len() {
                // This run has failed already; the other one writes what this one cannot.
                let _ = self.write(at, self.to.list).await;
            }
            left = format!("another run has moved {} to the same image", self.to.tag);
        }
        self.events.event(Event::Warning(format!("{} could not be moved everywhere: {left}", self.to.tag)));
        self.overtaken_or(failure.left(left)).await
    }

    /// Undoes the move on one registry, unless another run has moved the tag since. Returns whether the list is no longer
    /// under the tag there, and what the tag points at, in words.
    async fn restore(&self, at: usize) -> (bool, String) {
        let (registry, tag) = (&self.registries[at], self.to.tag);
        let (name, before) = (&registry.name, self.before(at));
        let Ok(seen) = registry.resolve(tag).await else {
            return (false, format!("what {tag} points at on {name} is unknown, it does not answer"));
        };
        if seen.as_ref() == before.map(|it| &it.digest) {
            return (seen.as_ref() != Some(&self.to.list.digest), format!("{tag} is as before on {name}"));
        }
        match (seen, before) {
            (Some(seen), _) if seen != self.to.list.digest => (
                true,
                format!("{tag} points at {} on {name}, where another run or user has moved it since", short(&seen)),
            ),
            (_, Some(before)) => match registry.put_manifest(Name::Tag(tag), before).await {
                Ok(()) => (true, format!("{tag} is as before on {name}")),
                Err(error) => (false, format!("{tag} could not be put back on {name}: {}", error.cause)),
            },
            (_, None) => match self.remove(at).await {
                Ok(None) => (true, format!("{tag} was removed again on {name}")),
                Ok(Some(why)) => (false, format!("{tag} stays on {name}: {why}")),
                Err(error) => (false, format!("{tag} could not be removed on {name}: {}", error.cause)),
            },
        }
    }

    /// Removes a tag that was not there before, and looks whether it is gone. Tells why it stays.
    async fn remove(&self, at: usize) -> Result<Option<String>, RegistryError> {
        let (registry, tag) = (&self.registries[at], self.to.tag);
        registry.delete_manifest(Name::Tag(tag)).await?;
        if registry.resolve(tag).await?.is_none() {
            return Ok(None);
        }
        let Some(cleaner) = &self.cleaners[at] else {
            return Ok(Some("nothing says how tags are deleted there".into()));
        };
        let why = match cleaner.untag(tag, self.to.list).await {
            Ok(()) => "the registry still shows it".into(),
            Err(problem) => problem.to_string(),
        };
        Ok(registry.resolve(tag).await?.map(|_| why))
    }

    /// Whether the tag pointed at the list on every registry when the run began.
    pub fn was_tagged_before(&self) -> bool {
        self.before.iter().all(|before| before.as_ref().is_some_and(|before| before.digest == self.to.list.digest))
    }

    /// Whether another tag points at the list on every registry.
    pub async fn shares_with(&self, tag: &Tag) -> bool {
        let seen = join_all(self.registries.iter().map(|registry| registry.resolve(tag))).await;
        seen.iter().all(|seen| matches!(seen, Ok(Some(digest)) if *digest == self.to.list.digest))
    }

    /// How a run ends that failed for some reason: overtaken, if a newer build is live by now, which may be that reason.
    pub async fn overtaken_or(&mut self, failure: Failure) -> Failure {
        match self.give_way().await {
            Err(overtaken) => overtaken.because(failure),
            Ok(()) => failure,
        }
    }

    /// Ends a run that a newer build has overtaken, after that build was brought to all registries, as far as that can be
    /// done. The run goes on if there is no newer build, or none any more.
    async fn give_way(&mut self) -> Result<(), Failure> {
        let (mut unreachable, mut overtaken) = (vec![false; self.registries.len()], Ok(()));
        for _ in 0..FORWARDS_MAX {
            let seen: Snapshot = self.live.read_each().await.into_iter().map(|seen| seen.ok().flatten()).collect();
            let Some(newer) = self.newer(&seen) else { return Ok(()) };
            let digest = &newer.manifest.digest;
            let behind = (0..seen.len()).find(|at| !unreachable[*at] && seen[*at].as_ref() != Some(digest));
            overtaken = Err(self.superseded(&newer));
            let Some(at) = behind else { break };
            let registry = &self.registries[at];
            // What is not staged there is on its way there, by its own run.
            if !registry.has_manifest(digest).await.unwrap_or(false) {
                unreachable[at] = true;
                continue;
            }
            match self.write(at, &newer.manifest).await {
                Ok(true) => {
                    let (digest, name) = (short(digest), &self.registries[at].name);
                    let text = format!("{} was behind on {name} and follows the newer build {digest}", self.to.tag);
                    self.events.event(Event::Note(text));
                }
                Ok(false) => {}
                Err(_) => unreachable[at] = true,
            }
        }
        overtaken
    }

    /// Writes a list under the tag on one registry, if no registry shows a newer one. Nothing comes between reading the
    /// tags and the PUT, in any attempt. Returns whether the list is there: it is not if another one is newer.
    async fn write(&mut self, at: usize, list: &RawManifest) -> Result<bool, RegistryError> {
        let registry = Arc::clone(&self.registries[at]);
        let is_ours = list.digest == self.to.list.digest;
        let operation = format!("move tag {} to {}", self.to.tag, short(&list.digest));
        let mut attempt = 0;
        let written = registry.attempts(&operation, async || {
            attempt += 1;
            // A registry that has lost an image meanwhile, by another clean-up, refuses the list.
            if is_ours && attempt > 1 {
                let restored = restore_children(self.registries, at, self.to.children, &self.events);
                drop(restored.await);
            }
            let seen = match self.live.read().await {
                Ok(seen) => seen,
                Err(error) => return Ok(Err(error)),
            };
            let newest = self.newer(&seen).map_or_else(|| self.to.list.digest.clone(), |newer| newer.manifest.digest);
            if newest != list.digest {
                return Ok(Ok(false));
            }
            if is_ours {
                self.note(&seen);
            }
            if seen[at].as_ref() == Some(&list.digest) {
                return Ok(Ok(true));
            }
            if is_ours {
                self.remember(at, seen[at].as_ref());
                self.states[at] = State::Written(Instant::now());
            }
            let put = timeout(PUT_MAX, registry.put_once(Name::Tag(self.to.tag), list));
            put.await.unwrap_or_else(|_| Err(RequestError::Silent.into()))?;
            Ok(Ok(true))
        });
        match written.await {
            Ok(done) => done,
            // An answer that got lost is no failure: what counts is what the registry shows.
            Err(error) => {
                let seen = registry.resolve(self.to.tag).await;
                if seen.is_ok_and(|seen| seen.as_ref() == Some(&list.digest)) { Ok(true) } else { Err(error) }
            }
        }
    }

    /// Writes the tag again where another run has overwritten it.
    async fn take_back(&mut self, at: usize, seen: Option<Digest>) -> Result<(), Failure> {
        let (tag, name) = (self.to.tag, &self.registries[at].name);
        match seen {
            Some(seen) if !self.to.floating => {
                let message = format!("another run or user moved {tag} on {name} to {}", short(&seen));
                return Err(Failure::new(Exit::PushFailed, message).left("the tag points at different images"));
            }
            Some(seen) => {
                self.events.event(Event::Note(format!("an older build took {tag} on {name}, taking it back")));
                self.overwritten.push(seen);
            }
            None => self.events.event(Event::Note(format!("{tag} was gone from {name}, setting it again"))),
        }
        // If another list is newer, the next reading of the tags shows it.
        self.write(at, self.to.list).await.map(drop).map_err(|error| self.unconfirmed(error.into()))
    }

    /// Whether a registry shows something that is neither ours nor the old content, which it may show for a while.
    fn is_lost(&self, at: usize, seen: Option<&Digest>) -> bool {
        let is_recent = matches!(self.states[at], State::Written(since) if since.elapsed() < STALE_MAX);
        let is_stale = is_recent && seen == self.before(at).map(|it| &it.digest);
        seen != Some(&self.to.list.digest) && !is_stale
    }

    /// Remembers what is about to be replaced: another run may have moved the tag since this one began.
    fn remember(&mut self, at: usize, seen: Option<&Digest>) {
        if self.states[at] == State::Untouched
            && let Some(published) = seen.and_then(|seen| self.live.known.get(seen))
        {
            self.before[at] = Some(published.manifest.clone());
        }
    }

    /// Remembers which registries show the list.
    fn note(&mut self, seen: &Snapshot) {
        for (state, seen) in self.states.iter_mut().zip(seen) {
            match (&state, seen) {
                (State::Written(since), Some(seen)) if *seen == self.to.list.digest => {
                    *state = State::Shown(since.elapsed());
                }
                (State::Untouched, Some(seen)) if *seen == self.to.list.digest => *state = State::Shown(Duration::ZERO),
                // What comes back after it was replaced was set anew, by another run.
                (State::Shown(_), Some(seen)) => _ = self.live.replaceable.remove(seen),
                _ => {}
            }
        }
    }

    fn newer(&self, seen: &Snapshot) -> Option<Published> {
        let newer = self.live.newer_than(self.to.build, &self.to.list.digest, seen);
        newer.filter(|_| self.to.floating).cloned()
    }

    /// The place of a registry in the order of the moves: what was there before can be put back by the PUT that moved
    /// it; what was not must be removed.
    fn hard_to_undo(&self, at: usize) -> u8 {
        if self.before[at].is_some() { 0 } else { self.cleaners[at].as_ref().map_or(u8::MAX, Cleaner::hard_to_untag) }
    }

    fn superseded(&self, newer: &Published) -> Failure {
        let tag = self.to.tag;
        let revision = newer.build.revision.as_deref().unwrap_or("an unknown commit");
        let digest = short(&newer.manifest.digest);
        let message = format!("a newer build is published as {tag}: {digest} of {revision}");
        let mut failure = Failure::new(Exit::Superseded, message).hint(format!(
            "{tag} never moves to an older commit; to go back, revert in a new commit. If that commit's date is wrong, \
             publish once with --even-if-older"
        ));
        let touched = self.registries.iter().enumerate().filter(|(at, _)| self.states[*at] != State::Untouched);
        for (at, registry) in touched {
            let before = self.before(at).filter(|before| before.digest != self.to.list.digest);
            failure.replaced.extend(before.map(|before| (registry.name.clone(), before.digest.clone())));
        }
        let replaced: Vec<_> =
            failure.replaced.iter().map(|(name, digest)| format!("{} on {name}", short(digest))).collect();
        let stays = format!("{tag} stays with the newer build");
        failure.left(if replaced.is_empty() {
            format!("nothing was published; {stays}")
        } else {
            let replaced = replaced.join(", ");
            format!("this run's image is not published; {stays}; before it was overtaken it had replaced {replaced}")
        })
    }

    fn still_shows(&self, at: usize, seen: Option<&Digest>) -> Failure {
        let (registry, seen) = (&self.registries[at], seen.map_or("nothing", short));
        let message = format!("{} still shows {seen} as {} on {}", registry.repository, self.to.tag, registry.name);
        Failure::new(Exit::PushFailed, message)
    }

    fn unconfirmed(&self, failure: Failure) -> Failure {
        failure.left(format!("{} was moved, and not every registry confirmed it", self.to.tag))
    }
}
