//! The recorder that all servers of a scenario share: one clock, one order.
//!
//! The order of a history is that in which the requests' heads arrived. It is counted, not timed, so that requests of the
//! same millisecond keep it. Where the harness itself fails is kept apart, for it says nothing about the pipeline.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use super::{Exchange, Kind};

/// The time of a request, and its number among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    number: u64,
    at_ms: u64,
}

/// Collects the exchanges of all servers of a scenario on one clock. Clones share what is collected.
#[derive(Debug, Clone)]
pub struct Recorder {
    start: Instant,
    collected: Arc<Mutex<Collected>>,
    /// Notifies of each exchange that was recorded.
    grown: watch::Sender<()>,
    /// The same, for exchanges that may have changed a manifest, a tag or a blob.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Collected {
    arrivals: u64,
    exchanges: Vec<(Arrival, Exchange)>,
    trouble: Vec<String>,
}

impl Default for Recorder {
    fn default() -> Self {
        let (grown, changed) = (watch::Sender::new(()), watch::Sender::new(()));
        Self { start: Instant::now(), collected: Arc::default(), grown, changed }
    }
}

impl Recorder {
    /// Milliseconds since it was made.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that the head of a request has arrived.
    pub fn arrive(&self) -> Arrival {
        self.with(|collected| {
            collected.arrivals += 1;
            // Taken under the lock, so that times never contradict the order.
            Arrival { number: collected.arrivals, at_ms: self.now_ms() }
        })
    }

    /// Adds an exchange that ends now; its times are set here.
    pub fn record(&self, arrival: Arrival, exchange: Exchange) {
        let exchange = Exchange { began_ms: arrival.at_ms, ended_ms: self.now_ms(), ..exchange };
        let kind = exchange.operation.as_ref().map(|operation| operation.kind);
        if kind.is_some_and(|kind| kind == Kind::ManifestPut || kind.deletes()) {
            self.changed.send_replace(());
        }
        self.with(|collected| collected.exchanges.push((arrival, exchange)));
        self.grown.send_replace(());
    }

    /// What was recorded so far, in the order in which the requests arrived.
    pub fn history(&self) -> Vec<Exchange> {
        in_order(self.with(|collected| collected.exchanges.clone()))
    }

    /// What was recorded since the last time, in the order in which the requests arrived; it is forgotten here.
    pub fn take(&self) -> Vec<Exchange> {
        in_order(self.with(|collected| std::mem::take(&mut collected.exchanges)))
    }

    /// Notifies of each exchange that puts a manifest or deletes anything, when it has ended.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until an exchange has been recorded that is wanted, and gives it.
    pub async fn wait_for(&self, wanted: impl Fn(&Exchange) -> bool) -> Exchange {
        let mut grown = self.grown.subscribe();
        loop {
            if let Some(exchange) = self.history().into_iter().find(&wanted) {
                return exchange;
            }
            // It cannot be closed: its sender is in `self`.
            let _ = grown.changed().await;
        }
    }

    /// Notes that the harness itself failed: whatever was seen proves nothing. The words must hold no secret.
    pub fn note_trouble(&self, words: impl Into<String>) {
        self.with(|collected| collected.trouble.push(words.into()));
    }

    /// Where the harness itself failed.
    pub fn trouble(&self) -> Vec<String> {
        self.with(|collected| collected.trouble.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Collected) -> T) -> T {
        work(&mut self.collected.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn in_order(mut exchanges: Vec<(Arrival, Exchange)>) -> Vec<Exchange> {
    exchanges.sort_by_key(|(arrival, _)| *arrival);
    exchanges.into_iter().map(|(_, exchange)| exchange).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(path: &str) -> Exchange {
        serde_json::from_value(serde_json::json!({
            "server": "ghcr", "began_ms": 0, "ended_ms": 0, "method": "GET", "path": path, "operation": null, "headers": {},
            "sent": 0, "forwarded": true, "status": 200, "answer_headers": {}, "received": 0
        }))
        .unwrap()
    }

    #[test]
    fn order_is_that_of_arrival_even_within_a_millisecond() {
        let recorder = Recorder::default();
        let arrivals: Vec<_> = (0..100).map(|_| recorder.arrive()).collect();
        for (number, arrival) in arrivals.into_iter().enumerate().rev() {
            recorder.record(arrival, exchange(&number.to_string()));
        }
        let paths: Vec<_> = recorder.history().into_iter().map(|exchange| exchange.path).collect();
        assert_eq!(paths, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(recorder.history().is_sorted_by_key(|exchange| exchange.began_ms));
    }

    #[tokio::test]
    async fn an_exchange_can_be_awaited_before_and_after_it_was_recorded() {
        let recorder = Recorder::default();
        let waiting = tokio::spawn({
            let recorder = recorder.clone();
            async move { recorder.wait_for(|exchange| exchange.path == "/b").await }
        });
        for path in ["/a", "/b"] {
            recorder.record(recorder.arrive(), exchange(path));
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.await.unwrap().path, "/b");
        assert_eq!(recorder.wait_for(|exchange| exchange.path == "/a").await.path, "/a");
    }

    #[test]
    fn trouble_is_kept_apart() {
        let recorder = Recorder::default();
        recorder.clone().note_trouble("no upstream");
        assert_eq!(recorder.trouble(), ["no upstream"]);
        assert_eq!(recorder.history(), []);
    }
}
