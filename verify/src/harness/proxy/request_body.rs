//! The body of a request on its way upstream.
//!
//! A frame is taken from the client only when the upstream wants one, so nothing piles up. What the upstream does not want is
//! read and dropped, so that a client in the middle of its upload still gets its answer.

use std::{
    collections::VecDeque,
    error::Error,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

/// How much of a body is read before its request is held: enough for every reasonable manifest.
const AHEAD_MAX_BYTES: usize = 256 * 1024;

/// What has arrived of a body.
#[derive(Debug, Default)]
pub(super) struct Arrived(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    bytes: u64,
    hash: Option<Sha256>,
    /// Whether all of it is here.
    whole: bool,
    /// Whether the client went away.
    failed: bool,
    /// Whether it was cut as planned.
    cut: bool,
}

impl Arrived {
    /// Nothing yet. `hashed` says whether the digest will be wanted.
    pub(super) fn new(hashed: bool) -> Arc<Self> {
        let hash = hashed.then(Sha256::new);
        Arc::new(Self(Mutex::new(Progress { hash, ..Progress::default() })))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Whether the client went away before its end.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// Whether it was cut as planned.
    pub(super) fn is_cut(&self) -> bool {
        self.lock().cut
    }

    /// The digest, if it is wanted and the whole body was forwarded or dropped.
    pub(super) fn digest(&self) -> Option<String> {
        let progress = self.lock();
        let hash = progress.hash.clone().filter(|_| progress.whole && !progress.cut)?;
        Some(hash.finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}")))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body as it is sent upstream. Trailers are dropped.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// None if there is nothing (more) to read.
    incoming: Option<Incoming>,
    /// What was read before it was wanted.
    ahead: VecDeque<Bytes>,
    /// After how many more bytes it is cut.
    cut_after: Option<u64>,
    /// Whether what came before the cut had time to be written.
    flushed: bool,
    arrived: Arc<Arrived>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, arrived: Arc<Arrived>) -> Self {
        arrived.lock().whole = incoming.is_end_stream();
        Self { incoming: Some(incoming), ahead: VecDeque::new(), cut_after: None, flushed: false, arrived }
    }

    pub(super) fn empty() -> Self {
        Self { incoming: None, ahead: VecDeque::new(), cut_after: None, flushed: false, arrived: Arc::default() }
    }

    /// Cuts it after so many bytes, if there are more.
    pub(super) fn cut_after(&mut self, bytes: u64) {
        self.cut_after = Some(bytes);
    }

    /// Reads a small body to its end, a large one in part. hyper notices that a client went away only when there is nothing
    /// left to read of its request.
    ///
    /// # Errors
    /// The client went away.
    pub(super) async fn read_ahead(&mut self) -> Result<(), hyper::Error> {
        let mut bytes = 0;
        while bytes < AHEAD_MAX_BYTES
            && let Some(data) = poll_fn(|context| self.poll_arrival(context)).await
        {
            let data = data?;
            bytes += data.len();
            self.ahead.push_back(data);
        }
        Ok(())
    }

    /// Reads it to its end and drops it.
    pub(super) async fn drain(mut self) {
        while let Some(Ok(_)) = poll_fn(|context| self.poll_arrival(context)).await {}
    }

    /// Gives it up unread.
    pub(super) fn refuse(mut self) {
        self.incoming = None;
    }

    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(context));
        let mut progress = self.arrived.lock();
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(bytes))) => {
                progress.bytes += bytes.len() as u64;
                if let Some(hash) = &mut progress.hash {
                    hash.update(&bytes);
                }
                // A body whose length is known ends with its last byte.
                progress.whole = incoming.is_end_stream();
                Poll::Ready(Some(Ok(bytes)))
            }
            None | Some(Ok(Err(_))) => {
                progress.whole = true;
                drop(progress);
                self.incoming = None;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                progress.failed = true;
                drop(progress);
                self.incoming = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.arrived.is_cut() {
            if this.flushed {
                return Poll::Ready(Some(Err("cut as planned".into())));
            }
            // hyper writes what it has when a body is not ready.
            this.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let data = match this.ahead.pop_front() {
            Some(data) => Some(Ok(data)),
            None => ready!(this.poll_arrival(context)),
        };
        let Some(mut data) = data.transpose()? else { return Poll::Ready(None) };
        if let Some(left) = &mut this.cut_after {
            if data.len() as u64 > *left {
                this.arrived.lock().cut = true;
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            }
            *left -= data.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && !self.arrived.is_cut() && self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let ahead: u64 = self.ahead.iter().map(|data| data.len() as u64).sum();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(hint.lower() + ahead);
        hint
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let incoming = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        if let (Some(incoming), Ok(runtime)) = (incoming, Handle::try_current()) {
            runtime.spawn(Self::new(incoming, Arc::clone(&self.arrived)).drain());
        }
    }
}
