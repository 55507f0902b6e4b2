//! The record of an exchange that is going on. It is added to the history when it is dropped, which is when the exchange ends.

use std::{mem, sync::Arc};

use hyper::http::request;

use super::{request_body::Arrived, state::State, table::Applied};
use crate::history::{Arrival, Exchange, Kind, Operation, classify, redact};

/// The record of an exchange that is going on.
pub(super) struct PendingExchange {
    pub(super) state: Arc<State>,
    arrival: Arrival,
    pub(super) record: Exchange,
    /// What has arrived of the request's body.
    pub(super) arrived: Arc<Arrived>,
    /// Kept until the exchange has ended and is recorded.
    pub(super) until_ended: Option<Box<dyn Send + Sync>>,
}

impl PendingExchange {
    /// Begins with a request's head.
    pub(super) fn new(state: Arc<State>, head: &request::Parts) -> Self {
        let arrival = state.recorder.arrive();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let operation = classify(state.service, &head.method, path);
        let arrived = Arrived::new(operation.as_ref().is_some_and(|it| it.kind == Kind::ManifestPut));
        let record = Exchange {
            server: state.name.clone(),
            method: redact::method(&head.method),
            path: redact::path(path),
            operation,
            headers: redact::headers(&head.headers),
            ..Exchange::default()
        };
        Self { state, arrival, record, arrived, until_ended: None }
    }

    pub(super) fn operation(&self) -> Option<&Operation> {
        self.record.operation.as_ref()
    }

    /// A rule takes effect and shows in the record.
    pub(super) fn fire(&mut self, applied: &mut Applied) {
        self.fault(&applied.rule().name);
        applied.fire();
    }

    /// A fault of this name shows in the record.
    pub(super) fn fault(&mut self, name: &str) {
        self.record.fault = Some(name.to_owned());
    }
}

impl Drop for PendingExchange {
    fn drop(&mut self) {
        let (sent, digest) = (self.arrived.bytes(), self.arrived.digest());
        self.state.recorder.record(self.arrival, Exchange { sent, digest, ..mem::take(&mut self.record) });
    }
}
