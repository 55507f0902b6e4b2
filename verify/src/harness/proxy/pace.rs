//! A limit of the bandwidth of one body.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bodies are let through in pieces of this size at most, so that they trickle instead of jumping.
const PIECE_BYTES: usize = 16 * 1024;

/// Lets bytes through at a rate.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    free_at: Pin<Box<Sleep>>,
    waiting: Option<Bytes>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            free_at: Box::pin(sleep_until(Instant::now())),
            waiting: None,
        }
    }

    /// Whether nothing waits to be let through.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Takes bytes; it must be empty.
    pub(super) fn put(&mut self, bytes: Bytes) {
        self.waiting = (!bytes.is_empty()).then_some(bytes);
    }

    /// The next piece, when its time has come; none if it is empty.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(mut waiting) = self.waiting.take() else { return Poll::Ready(None) };
        if self.free_at.as_mut().poll(context).is_pending() {
            self.waiting = Some(waiting);
            return Poll::Pending;
        }
        let piece = waiting.split_to(waiting.len().min(PIECE_BYTES));
        #[expect(clippy::cast_precision_loss, reason = "a piece and a rate are far below 2^52")]
        let cost = Duration::from_secs_f64(piece.len() as f64 / self.bytes_per_second as f64);
        // Behind time, what was missed is not caught up.
        let next = self.free_at.deadline().max(Instant::now()) + cost;
        self.free_at.as_mut().reset(next);
        self.put(waiting);
        Poll::Ready(Some(piece))
    }
}
