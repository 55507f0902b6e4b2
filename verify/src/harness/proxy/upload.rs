//! The body of a request on its way from the client to the server behind.
//!
//! A frame is taken from the client only when the server behind wants one, so nothing piles up. What the server behind does
//! not want any more is read and thrown away, so that a client in the middle of its upload still gets its answer.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{
    pace::Pace,
    wire::{Ending, Fate},
};

/// How much of a held request's body is read meanwhile: enough for any manifest that is not absurd.
const AHEAD_MAX_BYTES: usize = 256 * 1024;

/// What has arrived of a body.
#[derive(Debug, Default)]
pub(super) struct Arrived(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    hash: Option<Sha256>,
    progress: Progress,
}

/// How far a body has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    #[default]
    Arriving,
    /// All of it is here.
    Whole,
    /// The client went away.
    Failed,
    /// It was broken off as planned.
    Broken,
}

impl Arrived {
    /// Nothing yet. The digest of manifests is wanted.
    pub(super) fn new(hashed: bool) -> Arc<Self> {
        let hash = hashed.then(Sha256::new);
        Arc::new(Self(Mutex::new(State { hash, ..State::default() })))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    pub(super) fn progress(&self) -> Progress {
        self.lock().progress
    }

    /// The digest, if it is wanted and all is there.
    pub(super) fn digest(&self) -> Option<String> {
        let state = self.lock();
        let hash = state.hash.clone().filter(|_| state.progress == Progress::Whole)?;
        Some(hash.finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}")))
    }

    fn count(&self, bytes: &Bytes) {
        let mut state = self.lock();
        state.bytes += bytes.len() as u64;
        if let Some(hash) = &mut state.hash {
            hash.update(bytes);
        }
    }

    fn reach(&self, progress: Progress) {
        let mut state = self.lock();
        // All may have arrived of what is broken off on its way on.
        if state.progress == Progress::Arriving || progress == Progress::Broken {
            state.progress = progress;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body as it comes from the client.
#[derive(Debug)]
struct Source {
    incoming: Incoming,
    ahead: VecDeque<Result<Frame<Bytes>, hyper::Error>>,
    ahead_bytes: usize,
    arrived: Arc<Arrived>,
}

impl Source {
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.arrived.count(bytes);
                }
                self.note_end();
            }
            Some(Err(_)) => self.arrived.reach(Progress::Failed),
            None => self.arrived.reach(Progress::Whole),
        }
        Poll::Ready(frame)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_arrival(context),
        }
    }

    /// A body whose length is known ends with its last byte.
    fn note_end(&self) {
        if self.incoming.is_end_stream() {
            self.arrived.reach(Progress::Whole);
        }
    }

    fn is_end(&self) -> bool {
        self.ahead.is_empty() && self.incoming.is_end_stream()
    }

    async fn drain(mut self) {
        while let Some(Ok(_)) = poll_fn(|context| self.poll_next(context)).await {}
    }
}

/// Where a body is to be broken off.
#[derive(Debug)]
struct Break {
    left_bytes: u64,
    reached: bool,
    fate: Arc<Fate>,
}

/// A body as it is sent on.
#[derive(Debug)]
pub(super) struct Upload {
    /// None when it was given up.
    source: Option<Source>,
    pace: Option<Pace>,
    breaks: Option<Break>,
}

impl Upload {
    pub(super) fn new(incoming: Incoming, arrived: Arc<Arrived>) -> Self {
        let source = Source { incoming, ahead: VecDeque::new(), ahead_bytes: 0, arrived };
        source.note_end();
        Self { source: Some(source), pace: None, breaks: None }
    }

    /// What is left when it was taken away.
    pub(super) const fn none() -> Self {
        Self { source: None, pace: None, breaks: None }
    }

    /// Limits its bandwidth.
    pub(super) fn limit_pace(&mut self, bytes_per_second: u64) {
        self.pace = Some(Pace::new(bytes_per_second));
    }

    /// Lets so many bytes through, and then cuts the connection to the server behind, if there are more.
    pub(super) fn break_after(&mut self, bytes: u64, fate: Arc<Fate>) {
        self.breaks = Some(Break { left_bytes: bytes, reached: false, fate });
    }

    /// Reads small bodies while their request is held, so that it is noticed when the client goes away. Never ends.
    pub(super) async fn read_ahead(&mut self) -> Infallible {
        let Some(source) = &mut self.source else { return pending().await };
        while source.ahead_bytes < AHEAD_MAX_BYTES {
            let Some(frame) = poll_fn(|context| source.poll_arrival(context)).await else { break };
            let failed = frame.is_err();
            source.ahead_bytes += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            source.ahead.push_back(frame);
            if failed {
                break;
            }
        }
        pending().await
    }

    /// Reads it to its end and throws it away.
    pub(super) async fn drain(mut self) {
        if let Some(source) = self.source.take() {
            source.drain().await;
        }
    }

    /// Gives it up unread.
    pub(super) fn refuse(mut self) {
        self.source = None;
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(source) = &mut this.source else { return Poll::Ready(None) };
        loop {
            if let Some(pace) = &mut this.pace
                && let Some(piece) = ready!(pace.poll_piece(context))
            {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if let Some(it) = this.breaks.as_ref().filter(|it| it.reached) {
                source.arrived.reach(Progress::Broken);
                it.fate.plan(Ending::Cut);
                return Poll::Pending;
            }
            let mut bytes = match ready!(source.poll_next(context)).transpose()?.map(Frame::into_data) {
                None => return Poll::Ready(None),
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                Some(Ok(bytes)) => bytes,
            };
            if let Some(it) = &mut this.breaks {
                it.reached = bytes.len() as u64 > it.left_bytes;
                bytes.truncate(usize::try_from(it.left_bytes).unwrap_or(usize::MAX));
                it.left_bytes -= bytes.len() as u64;
            }
            match &mut this.pace {
                Some(pace) => pace.put(bytes),
                None if bytes.is_empty() => {}
                None => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_broken = self.breaks.as_ref().is_some_and(|it| it.reached);
        let is_empty = self.pace.as_ref().is_none_or(Pace::is_empty);
        !is_broken && is_empty && self.source.as_ref().is_none_or(Source::is_end)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(source) = &self.source else { return SizeHint::with_exact(0) };
        let mut hint = source.incoming.size_hint();
        let ahead = source.ahead_bytes as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(hint.lower() + ahead);
        hint
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let is_unread = |source: &Source| source.arrived.progress() == Progress::Arriving;
        if let (Some(source), Ok(runtime)) = (self.source.take().filter(is_unread), Handle::try_current()) {
            runtime.spawn(source.drain());
        }
    }
}
