//! The limits that everything which talks to one host shares. To a host, all repositories on it are one client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use crate::oci::Host;

/// How many blobs are sent to one host at once.
pub const UPLOADS_MAX: usize = 4;

/// The hosts that a run talks to. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<Mutex<HashMap<Host, Arc<RateLimiter>>>>);

impl Hosts {
    /// The limiter of a host; a new one for a new host.
    pub(super) fn limiter(&self, host: &Host) -> Arc<RateLimiter> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = || RateLimiter { uploads: Semaphore::new(UPLOADS_MAX), paused_until: Mutex::default() };
        Arc::clone(hosts.entry(host.clone()).or_insert_with(|| Arc::new(limiter())))
    }
}

/// The limits of one host.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// Permits for uploads.
    pub(super) uploads: Semaphore,
    /// Until when nothing is sent, because the host asked one request to wait.
    paused_until: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Waits until the pause is over. Called right before each request: an upload that waited for its permit must not be
    /// sent into a pause.
    pub(super) async fn wait(&self) {
        loop {
            let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return };
            sleep_until(until).await;
        }
    }

    /// Makes the pause last at least that long from now on.
    pub(super) fn pause(&self, wait: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + wait));
    }
}
