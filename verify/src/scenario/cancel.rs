//! Cancelling a run as GitHub's runner does: SIGINT, after a while SIGTERM, then SIGKILL.

use std::time::Duration;

use rustix::process::Signal;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    harness::{proxy::Injected, subject::Running},
    history::Recorder,
};

/// How long a runner waits after SIGINT (actions/runner, `ProcessInvoker`).
const AFTER_INTERRUPT: Duration = Duration::from_millis(7_500);
/// How long it waits after SIGTERM.
const AFTER_TERMINATE: Duration = Duration::from_millis(2_500);

/// A cancellation that waits for a request to be held; called off when it is dropped.
#[derive(Debug)]
pub(super) struct Cancellation {
    signalled_ms: oneshot::Receiver<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Cancellation {
    /// Cancels what runs when one of the rules holds a request. With `release_after`, held requests are let through when the
    /// run has ended or that time is over; else they are held until the rules are removed.
    pub(super) fn at(
        rules: Vec<Injected>,
        release_after: Option<Duration>,
        running: Running,
        recorder: Recorder,
    ) -> Self {
        let (sender, signalled_ms) = oneshot::channel();
        let task = tokio::spawn(async move {
            futures::future::select_all(rules.iter().map(|rule| Box::pin(rule.fired()))).await;
            // Fails only if the receiver is gone.
            let _ = sender.send(recorder.now_ms());
            running.signal(Signal::INT);
            if let Some(time) = release_after {
                let _ = timeout(time, running.ended()).await;
                rules.iter().for_each(Injected::release);
            }
            for (wait, signal) in [(AFTER_INTERRUPT, Signal::TERM), (AFTER_TERMINATE, Signal::KILL)] {
                if timeout(wait, running.ended()).await.is_ok() {
                    return;
                }
                running.signal(signal);
            }
        });
        Self { signalled_ms, task }
    }

    /// When the first signal was sent, in milliseconds since the scenario began; none if no request was held.
    pub(super) fn signalled_ms(mut self) -> Option<u64> {
        self.signalled_ms.try_recv().ok()
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        self.task.abort();
    }
}
