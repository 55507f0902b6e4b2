//! Whose turn it is on a host. Repositories on the same host share this: to a registry they are one client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::upload::UPLOADS_MAX;
use crate::oci::Host;

/// The hosts that a run talks to. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<Mutex<HashMap<Host, Arc<Turns>>>>);

impl Hosts {
    /// The one for a host; a new one for a new host.
    pub(super) fn turns(&self, host: &Host) -> Arc<Turns> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host.clone()).or_default())
    }
}

/// What all who talk to one host keep to.
#[derive(Debug)]
pub(super) struct Turns {
    /// Who is told to wait makes the others wait.
    pub(super) pause: Pause,
    /// Room for uploads.
    pub(super) uploads: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { pause: Pause::default(), uploads: Semaphore::new(UPLOADS_MAX) }
    }
}

/// Until when a host wants to be left alone.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Waits until it is over. Asked right before each request: who queued for an upload must not send into a pause.
    pub(super) async fn over(&self) {
        while let Some(until) = self.until() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Makes it last at least that long from now on.
    pub(super) fn extend(&self, wait: Duration) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + wait));
    }

    fn until(&self) -> Option<Instant> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }
}
