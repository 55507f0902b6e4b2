//! What a run cost a registry: counted where requests are made, reported at the end.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one registry, shared by all tasks that talk to it.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    retries: AtomicU64,
}

impl Traffic {
    /// Requests made, including those that were answered with a challenge; token servers do not count.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies handed to the network, including those of attempts that failed.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// Attempts beyond the first.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
}
