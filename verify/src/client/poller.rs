//! Watches a tag while a pipeline runs: what it points at on each registry, and whether that is a whole image.
//!
//! A poller asks the registries themselves, not the proxy whose history it would fill. It asks right after each request of
//! the pipeline that puts a manifest or deletes anything, and in between from time to time: whoever asks all the while takes
//! the processor away from the pipeline. A missing answer is no sample: a tag is absent only if its registry says so.

use std::{collections::HashMap, io, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet};

use super::{Child, Client, ClientError, Depth, ManifestKind, Publication, Reader};
use crate::history::Recorder;

/// The pause between two questions to one registry while nothing changes.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a registry may give no answer before its samples prove nothing. A registry that writes a tag to its disk may fail
/// to read it for a moment.
pub const SILENCE_MAX: Duration = Duration::from_millis(500);
/// After how long it is asked again whether all of an image is still there, while nothing changes.
const RECHECK_MS: u64 = 500;

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
    /// The digest; none if there was no such tag.
    pub digest: Option<String>,
    /// Whether every manifest, configuration and layer was there.
    pub whole: bool,
    /// The platforms of the list, in its order; empty for what is no list.
    pub platforms: Vec<String>,
    /// What was missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
}

/// A poller at work. It stops when it is dropped.
#[derive(Debug)]
pub struct Poller {
    stop: watch::Sender<bool>,
    watchers: JoinSet<Result<Vec<Sample>, ClientError>>,
}

impl Poller {
    /// Begins to watch a tag on some registries.
    pub fn start(clients: impl IntoIterator<Item = Client>, tag: &str, recorder: &Recorder) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut watchers = JoinSet::new();
        for client in clients {
            let watcher = Watcher {
                reader: Reader::new(client.clone(), Depth::Manifests),
                client,
                tag: tag.to_owned(),
                recorder: recorder.clone(),
                known: HashMap::new(),
                samples: Vec::new(),
            };
            watchers.spawn(watcher.run(stopped.clone()));
        }
        Self { stop, watchers }
    }

    /// Asks a last time, stops, and returns the samples, by registry and time.
    ///
    /// # Errors
    /// A registry that did not answer for more than [`SILENCE_MAX`], or that refused.
    pub async fn stop(mut self) -> Result<Vec<Sample>, ClientError> {
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

/// The state of an image when it was last read.
#[derive(Debug, Clone, Default)]
struct ImageState {
    at_ms: u64,
    whole: bool,
    platforms: Vec<String>,
    flaws: Vec<String>,
}

/// Watches one registry.
struct Watcher {
    client: Client,
    reader: Reader,
    tag: String,
    recorder: Recorder,
    /// By digest.
    known: HashMap<String, ImageState>,
    samples: Vec<Sample>,
}

impl Watcher {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<Vec<Sample>, ClientError> {
        let mut silent_since_ms = None;
        let mut changes = self.recorder.changes();
        loop {
            let last = *stopped.borrow();
            let asked_ms = self.recorder.now_ms();
            match self.sample().await {
                Ok(()) => silent_since_ms = None,
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => {
                    let silent_ms = self.recorder.now_ms() - *silent_since_ms.get_or_insert(asked_ms);
                    if last || u128::from(silent_ms) > SILENCE_MAX.as_millis() {
                        let (host, source) = (self.client.repository().host.clone(), Box::new(error));
                        return Err(ClientError::Silent { host, silent_ms, source });
                    }
                }
            }
            if last {
                return Ok(self.samples);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                // The sender is in our own recorder, so it cannot be closed.
                _ = changes.changed() => self.known.clear(),
                // Dropping the poller aborts this too.
                _ = stopped.changed() => {}
            }
        }
    }

    async fn sample(&mut self) -> Result<(), ClientError> {
        let digest = self.client.resolve_once(&self.tag).await?;
        let at_ms = self.recorder.now_ms();
        let state = match &digest {
            None => ImageState::default(),
            Some(digest) => self.state(digest, at_ms).await?,
        };
        // An image that the tag has left meanwhile may be removed.
        if !state.whole && digest.is_some() && self.client.resolve_once(&self.tag).await? != digest {
            return Ok(());
        }
        let same = |last: &&mut Sample| last.digest == digest && last.whole == state.whole;
        if let Some(last) = self.samples.last_mut().filter(same) {
            last.until_ms = at_ms;
            last.times += 1;
            return Ok(());
        }
        self.samples.push(Sample {
            at_ms,
            until_ms: at_ms,
            times: 1,
            server: self.client.repository().server.clone(),
            tag: self.tag.clone(),
            digest,
            whole: state.whole,
            platforms: state.platforms,
            flaws: state.flaws,
        });
        Ok(())
    }

    /// The state of an image: read when it is new, and asked for again from time to time.
    async fn state(&mut self, digest: &str, now_ms: u64) -> Result<ImageState, ClientError> {
        if let Some(state) = self.known.get(digest).filter(|state| now_ms < state.at_ms + RECHECK_MS) {
            return Ok(state.clone());
        }
        self.reader.next_round();
        let state = ImageState::of(&self.reader.publication(digest).await?, now_ms);
        self.known.insert(digest.to_owned(), state.clone());
        Ok(state)
    }
}

impl ImageState {
    fn of(publication: &Publication, at_ms: u64) -> Self {
        let flaws: Vec<String> = publication.missing.iter().map(|it| format!("{}: {it}", it.what)).collect();
        let list = publication.shape == ManifestKind::List;
        Self {
            at_ms,
            whole: flaws.is_empty() && !publication.children.is_empty(),
            platforms: publication.platforms().filter(|_| list).map(Child::platform_name).collect(),
            flaws,
        }
    }
}
