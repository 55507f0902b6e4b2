//! Until when a run can be cancelled.
//!
//! Before the first tag moves, a run that is told to stop stops at once and has published nothing. From then on stopping
//! would leave registries apart: the run finishes its moves or puts them back, in a time that is named, and leaves the
//! rest to the next run.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Failure, NOTHING_PUBLISHED};

/// The gate between what can be cancelled and what cannot. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    open: Arc<Semaphore>,
    told_to_stop: CancellationToken,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: Arc::new(Semaphore::new(1)), told_to_stop: CancellationToken::new() }
    }
}

/// What became of work that a signal may cut short.
#[derive(Debug)]
pub enum Finished<T> {
    /// It came to its end.
    Done(T),
    /// The run was told to stop, and it did not come to its end in time.
    Cut,
}

impl Gate {
    /// The run passes the point of no return; a signal that comes later does not end it.
    pub async fn pass(&self) {
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }

    /// Does work behind the gate: to its end, or for so long after the run is told to stop.
    pub async fn finish<T>(&self, work: impl Future<Output = T>, max: Duration) -> Finished<T> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return Finished::Done(done),
            () = self.told_to_stop.cancelled() => {}
        }
        tokio::time::timeout(max, work).await.map_or(Finished::Cut, Finished::Done)
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
        self.told_to_stop.cancel();
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
