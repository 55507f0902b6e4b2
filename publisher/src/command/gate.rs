//! Until when a run can be cancelled.
//!
//! Before the first tag moves, a signal ends the run at once, and nothing was published. From then on that would leave the
//! registries with different images: the run finishes its moves or puts them back, within a fixed time, and leaves the rest
//! to the next run.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Failure, NOTHING_PUBLISHED};

/// The point of no return of a run. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    passed: Arc<AtomicBool>,
    signalled: CancellationToken,
}

impl Gate {
    /// The run passes the point of no return: a signal that comes later does not end it.
    pub fn pass(&self) {
        self.passed.store(true, Ordering::SeqCst);
    }

    /// Runs something that a signal ends until it passes the gate.
    ///
    /// # Errors
    /// Those of the run; [`Exit::Superseded`] when it was cancelled.
    pub async fn cancellable<T>(&self, run: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            outcome = run => outcome,
            () = self.cancelled() => {
                Err(Failure::new(Exit::Superseded, "the run was cancelled").left(NOTHING_PUBLISHED))
            }
        }
    }

    /// Does work behind the gate: to its end, or until so long after a signal. None if it was cut short.
    pub async fn finish<T>(&self, work: impl Future<Output = T>, max: Duration) -> Option<T> {
        let mut work = pin!(work);
        match self.signalled.run_until_cancelled(&mut work).await {
            Some(done) => Some(done),
            None => tokio::time::timeout(max, work).await.ok(),
        }
    }

    /// A failure with the state that it leaves: before the point of no return, every tag is as before.
    pub fn unpublished(&self, failure: Failure) -> Failure {
        if self.passed.load(Ordering::SeqCst) { failure } else { failure.left(NOTHING_PUBLISHED) }
    }

    /// Ends at the first signal (SIGINT from a terminal and from GitHub, SIGTERM from both), unless the run has passed.
    async fn cancelled(&self) {
        let Ok((mut interrupt, mut terminate)) =
            signal(SignalKind::interrupt()).and_then(|first| Ok((first, signal(SignalKind::terminate())?)))
        else {
            return pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        self.signalled.cancel();
        // This future and the run are polled by one task in turn, so the run cannot pass from here on.
        if self.passed.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}
