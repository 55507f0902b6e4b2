//! The record of an exchange that is going on. It is added to the history when it is dropped, which is when the exchange ends.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode, http::request};

use super::{request_body::Arrived, state::State, table::Applied};
use crate::history::{Arrival, Exchange, Kind, Operation, classify, redact};

/// The record of an exchange that is going on.
pub(super) struct PendingExchange {
    state: Arc<State>,
    arrival: Arrival,
    /// None only while it is dropped.
    exchange: Option<Exchange>,
    arrived: Arc<Arrived>,
    until_ended: Option<Box<dyn Send + Sync>>,
}

impl PendingExchange {
    /// Begins with a request's head.
    pub(super) fn new(state: Arc<State>, head: &request::Parts) -> Self {
        let arrival = state.recorder.arrive();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let operation = classify(state.service, &head.method, path);
        let arrived = Arrived::new(operation.as_ref().is_some_and(|it| it.kind == Kind::ManifestPut));
        let exchange = Exchange {
            server: state.name.clone(),
            began_ms: 0,
            ended_ms: 0,
            method: redact::method(&head.method),
            path: redact::path(path),
            operation,
            headers: redact::headers(&head.headers),
            sent: 0,
            digest: None,
            forwarded: false,
            status: None,
            answer_headers: redact::headers(&HeaderMap::new()),
            received: 0,
            fault: None,
        };
        Self { state, arrival, exchange: Some(exchange), arrived, until_ended: None }
    }

    pub(super) fn arrived(&self) -> Arc<Arrived> {
        Arc::clone(&self.arrived)
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.exchange.as_ref()?.operation.as_ref()
    }

    /// Keeps something until the exchange has ended and is recorded.
    pub(super) fn keep(&mut self, until_ended: Box<dyn Send + Sync>) {
        self.until_ended = Some(until_ended);
    }

    /// The request is about to be forwarded.
    pub(super) fn forwarded(&mut self) {
        self.change(|exchange| exchange.forwarded = true);
    }

    /// The client is about to be answered.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.change(|exchange| {
            exchange.status = Some(status.as_u16());
            exchange.answer_headers = redact::headers(headers);
        });
    }

    /// Bytes of the answer are about to be sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.change(|exchange| exchange.received += bytes as u64);
    }

    /// A rule takes effect.
    pub(super) fn fire(&mut self, applied: &mut Applied) {
        if applied.rule().interferes() {
            self.fault(&applied.rule().name);
        }
        applied.fire();
    }

    /// A fault of this name shows in the exchange.
    pub(super) fn fault(&mut self, name: &str) {
        self.change(|exchange| exchange.fault = Some(name.to_owned()));
    }

    /// The harness itself failed.
    pub(super) fn trouble(&self, words: &str) {
        self.state.trouble(words);
    }

    fn change(&mut self, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.exchange {
            change(exchange);
        }
    }
}

impl Drop for PendingExchange {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            let (sent, digest) = (self.arrived.bytes(), self.arrived.digest());
            self.state.recorder.record(self.arrival, Exchange { sent, digest, ..exchange });
        }
    }
}
