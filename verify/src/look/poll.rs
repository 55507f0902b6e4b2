//! Watches a tag: what it points at on each registry, all the while, and whether that is a whole image.
//!
//! A poller asks the registries themselves, not the proxy whose history it would fill. An answer that does not come is
//! no sample: a tag is absent only if its registry says so.

use std::{collections::BTreeMap, io, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet};

use super::{Child, Depth, LookError, Looker, Publication, Reader, Shape};
use crate::history::Recorder;

/// The pause between two questions to one registry.
pub const PAUSE: Duration = Duration::from_millis(3);
/// How long a registry may give no answer before what was seen of it proves nothing. A registry that writes a tag to its
/// disk may fail to read it for a moment.
pub const BLIND_MAX: Duration = Duration::from_millis(500);
/// How long what was seen of an image holds: then it is asked whether all of it is still there.
const SEEN_FOR_MS: u64 = 200;

/// What a tag pointed at for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When this was seen first, in milliseconds since the recorder was made.
    pub at_ms: u64,
    /// When it was seen last, with nothing else in between.
    pub until_ms: u64,
    /// How often it was seen.
    pub times: u64,
    /// The registry: `ghcr`.
    pub server: String,
    /// The tag.
    #[serde(default)]
    pub tag: String,
    /// What it pointed at; none if there was no such tag.
    pub digest: Option<String>,
    /// Whether every manifest, configuration and layer that it leads to was there.
    pub whole: bool,
    /// The platforms of the list, in its order; empty for what is no list.
    pub platforms: Vec<String>,
    /// What was amiss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
}

/// A poller at work. It stops when it is dropped.
#[derive(Debug)]
pub struct Poller {
    stop: watch::Sender<bool>,
    watchers: JoinSet<Result<Vec<Sample>, LookError>>,
}

impl Poller {
    /// Begins to watch a tag on some registries.
    pub fn start(lookers: impl IntoIterator<Item = Looker>, tag: &str, recorder: &Recorder) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut watchers = JoinSet::new();
        for looker in lookers {
            let watcher = Watcher {
                reader: Reader::new(looker.clone(), Depth::Manifests),
                looker,
                tag: tag.to_owned(),
                recorder: recorder.clone(),
                known: BTreeMap::new(),
                samples: Vec::new(),
                blind: None,
            };
            watchers.spawn(watcher.run(stopped.clone()));
        }
        Self { stop, watchers }
    }

    /// Looks a last time, stops, and returns what was seen, by registry and time.
    ///
    /// # Errors
    /// A registry that did not answer for more than [`BLIND_MAX`], or not to us.
    pub async fn stop(mut self) -> Result<Vec<Sample>, LookError> {
        // Watchers hold the other end as long as they are.
        let _ = self.stop.send(true);
        let mut samples = Vec::new();
        while let Some(watched) = self.watchers.join_next().await {
            samples.extend(watched.map_err(io::Error::other)??);
        }
        samples.sort_by(|a, b| (&a.server, a.at_ms).cmp(&(&b.server, b.at_ms)));
        Ok(samples)
    }
}

/// What is known of a digest.
#[derive(Debug, Clone, Default)]
struct Seen {
    at_ms: u64,
    whole: bool,
    platforms: Vec<String>,
    flaws: Vec<String>,
}

/// Who watches one registry.
struct Watcher {
    looker: Looker,
    reader: Reader,
    tag: String,
    recorder: Recorder,
    known: BTreeMap<String, Seen>,
    samples: Vec<Sample>,
    /// Since when there was no answer, and why.
    blind: Option<(u64, LookError)>,
}

impl Watcher {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<Vec<Sample>, LookError> {
        loop {
            let last = *stopped.borrow();
            let asked_ms = self.recorder.now_ms();
            match self.ask().await {
                Ok(()) => self.blind = None,
                Err(error @ LookError::Denied { .. }) => return Err(error),
                Err(error) => {
                    let since_ms = self.blind.take().map_or(asked_ms, |(since_ms, _)| since_ms);
                    self.blind = Some((since_ms, error));
                }
            }
            self.blind_for_long(last)?;
            if last {
                return Ok(self.samples);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                // Whoever drops the poller aborts this too.
                _ = stopped.changed() => {}
            }
        }
    }

    /// An error if there has been no answer for too long, or at the very end.
    fn blind_for_long(&mut self, last: bool) -> Result<(), LookError> {
        let Some((since_ms, error)) = self.blind.take() else { return Ok(()) };
        let blind_ms = self.recorder.now_ms().saturating_sub(since_ms);
        if last || u128::from(blind_ms) > BLIND_MAX.as_millis() {
            let host = self.looker.place().host.clone();
            return Err(LookError::Blind { host, blind_ms, source: Box::new(error) });
        }
        self.blind = Some((since_ms, error));
        Ok(())
    }

    async fn ask(&mut self) -> Result<(), LookError> {
        let digest = self.looker.resolve_once(&self.tag).await?;
        let at_ms = self.recorder.now_ms();
        let seen = match &digest {
            None => Seen::default(),
            Some(digest) => self.seen(digest, at_ms).await?,
        };
        // What has been left may be removed: it is the tag's no longer.
        if !seen.whole && digest.is_some() && self.looker.resolve_once(&self.tag).await? != digest {
            return Ok(());
        }
        let same = |last: &&mut Sample| last.digest == digest && last.whole == seen.whole;
        if let Some(last) = self.samples.last_mut().filter(same) {
            last.until_ms = at_ms;
            last.times += 1;
            return Ok(());
        }
        self.samples.push(Sample {
            at_ms,
            until_ms: at_ms,
            times: 1,
            server: self.looker.place().server.clone(),
            tag: self.tag.clone(),
            digest,
            whole: seen.whole,
            platforms: seen.platforms,
            flaws: seen.flaws,
        });
        Ok(())
    }

    /// What a digest leads to. Read when it is new; from time to time it is asked whether all of it is still there.
    async fn seen(&mut self, digest: &str, now_ms: u64) -> Result<Seen, LookError> {
        if let Some(seen) = self.known.get(digest).filter(|seen| now_ms < seen.at_ms + SEEN_FOR_MS) {
            return Ok(seen.clone());
        }
        self.reader.next_round();
        let seen = Seen { at_ms: now_ms, ..Seen::of(&self.reader.publication(digest).await?) };
        self.known.insert(digest.to_owned(), seen.clone());
        Ok(seen)
    }
}

impl Seen {
    fn of(publication: &Publication) -> Self {
        let flaws: Vec<String> = publication.missing.iter().map(|it| format!("{}: {it}", it.what)).collect();
        let list = publication.shape == Shape::List;
        Self {
            at_ms: 0,
            whole: flaws.is_empty() && !publication.children.is_empty(),
            platforms: publication.platforms().filter(|_| list).map(Child::platform_name).collect(),
            flaws,
        }
    }
}
