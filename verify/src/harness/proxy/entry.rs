//! The entry of an exchange that is still going on. It is recorded when it is dropped, which is when the exchange ends.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode, body::Bytes, http::request};

use super::{site::Site, table::Claim, upload::Arrived};
use crate::history::{Arrival, Exchange, Kind, Operation, classify, redact};

/// An exchange that is still going on.
pub(super) struct Entry {
    site: Arc<Site>,
    arrival: Arrival,
    exchange: Option<Exchange>,
    arrived: Arc<Arrived>,
    until_ended: Option<Box<dyn Send + Sync>>,
}

impl Entry {
    /// Begins with a request's head.
    pub(super) fn new(site: Arc<Site>, head: &request::Parts) -> Self {
        let arrival = site.recorder.arrive();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let operation = classify(site.service, &head.method, path);
        let arrived = Arrived::new(operation.as_ref().is_some_and(|it| it.kind == Kind::ManifestPut));
        let exchange = Exchange {
            server: site.name.clone(),
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
        Self { site, arrival, exchange: Some(exchange), arrived, until_ended: None }
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

    /// The server behind is about to see it.
    pub(super) fn forwarded(&mut self) {
        self.note(|exchange| exchange.forwarded = true);
    }

    /// The client is about to be answered.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.note(|exchange| {
            exchange.status = Some(status.as_u16());
            exchange.answer_headers = redact::headers(headers);
        });
    }

    /// Bytes of the answer are about to be sent.
    pub(super) fn count(&mut self, bytes: &Bytes) {
        self.note(|exchange| exchange.received += bytes.len() as u64);
    }

    /// A rule does what it does.
    pub(super) fn fire(&mut self, claim: &mut Claim) {
        if claim.rule().interferes() {
            self.interfered(&claim.rule().name);
        }
        claim.fire();
    }

    /// A rule had done something before, which shows now.
    pub(super) fn interfered(&mut self, rule: &str) {
        self.note(|exchange| exchange.fault = Some(rule.to_owned()));
    }

    /// The harness itself failed.
    pub(super) fn trouble(&self, words: &str) {
        self.site.trouble(words);
    }

    fn note(&mut self, what: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = &mut self.exchange {
            what(exchange);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            let (sent, digest) = (self.arrived.bytes(), self.arrived.digest());
            self.site.recorder.record(self.arrival, Exchange { sent, digest, ..exchange });
        }
    }
}
