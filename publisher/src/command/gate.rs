//! Until when a run can be cancelled.
//!
//! Before the first tag moves, a run that is told to stop stops at once and has published nothing. From then on stopping
//! would leave registries apart, and finishing takes a moment: the run goes on to its end.

use std::{future::Future, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};

use crate::exit::{Exit, Failure, NOTHING_PUBLISHED};

/// The gate between what can be cancelled and what cannot. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Gate {
    /// The run passes the point of no return; a signal that comes later is ignored.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }

    /// Ends when the run is told to stop (SIGINT from a terminal and from GitHub, SIGTERM from both) and can.
    async fn cancelled(&self) {
        let Ok((mut interrupt, mut terminate)) =
            signal(SignalKind::interrupt()).and_then(|first| Ok((first, signal(SignalKind::terminate())?)))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        self.pass().await;
    }
}

/// Runs something that may be cancelled until it passes the gate.
///
/// # Errors
/// Those of the run; [`Exit::Superseded`] when it was cancelled.
pub async fn cancellable<T>(gate: &Gate, run: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        outcome = run => outcome,
        () = gate.cancelled() => Err(Failure::new(Exit::Superseded, "the run was cancelled")
            .left(NOTHING_PUBLISHED)),
    }
}
