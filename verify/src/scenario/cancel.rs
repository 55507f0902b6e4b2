//! Cancelling a run as GitHub's runner does: SIGINT, after a while SIGTERM, then the end.

use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::{
    harness::{proxy::Injected, subject::Running},
    history::Recorder,
};

/// How long a runner waits after SIGINT (actions/runner, `ProcessInvoker`).
const AFTER_INTERRUPT: Duration = Duration::from_millis(7_500);
/// How long it waits after SIGTERM.
const AFTER_TERMINATE: Duration = Duration::from_millis(2_500);

/// How long a request is held that is held for a moment: enough for who heeds the signal, not for who waits to be killed.
const MOMENT: Duration = Duration::from_secs(2);

/// For how long the request is held at which a run is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Until the scenario goes on.
    Throughout,
    /// Until the run has ended, or has had time to: then it is let through, and who does not heed the signal goes on.
    ForAMoment,
}

/// A cancellation that waits for its moment; dropped, it is called off.
#[derive(Debug)]
pub struct Cancellation {
    signalled: oneshot::Receiver<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Cancellation {
    /// Cancels what runs when one of some rules holds a request.
    pub(super) fn at(held: Vec<Injected>, for_how_long: Held, running: Running, recorder: Recorder) -> Self {
        let (sender, signalled) = oneshot::channel();
        let task = tokio::spawn(async move {
            futures::future::select_all(held.iter().map(|rule| Box::pin(rule.fired()))).await;
            // The receiver is gone only when nobody wants to know.
            let _ = sender.send(recorder.now_ms());
            running.signal(Signal::INT);
            if for_how_long == Held::ForAMoment {
                let _ = tokio::time::timeout(MOMENT, running.ended()).await;
                held.iter().for_each(Injected::release);
            }
            for (wait, signal) in [(AFTER_INTERRUPT, Signal::TERM), (AFTER_TERMINATE, Signal::KILL)] {
                if tokio::time::timeout(wait, running.ended()).await.is_ok() {
                    return;
                }
                running.signal(signal);
            }
        });
        Self { signalled, task }
    }

    /// When the first signal was sent, in milliseconds since the scenario began; none if the moment has not come.
    pub(super) fn signalled_ms(mut self) -> Option<u64> {
        self.signalled.try_recv().ok()
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        self.task.abort();
    }
}
