//! Histories written by hand: a clock, and requests one after the other.

use crate::history::{Exchange, Kind, Operation};

pub(super) const REPOSITORY: &str = "acme/hello";

/// A history that is being written.
#[derive(Default)]
pub(super) struct Script {
    pub(super) history: Vec<Exchange>,
    pub(super) now_ms: u64,
}

impl Script {
    /// Lets time pass.
    pub(super) fn wait(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    /// A request that takes a millisecond; status 0 is no answer.
    pub(super) fn ask(&mut self, server: &str, kind: Kind, reference: &str, status: u16) -> &mut Self {
        let operation = Operation {
            kind,
            repository: Some(REPOSITORY.to_owned()),
            reference: (!reference.is_empty()).then(|| reference.to_owned()),
        };
        let exchange = serde_json::json!({
            "server": server, "began_ms": self.now_ms, "ended_ms": self.now_ms + 1, "method": "-", "path": "-",
            "operation": operation, "headers": {"authorization": "Bearer"}, "sent": 0, "forwarded": true,
            "status": (status > 0).then_some(status), "answer_headers": {}, "received": 0,
        });
        self.history.push(serde_json::from_value(exchange).unwrap());
        self.wait(1)
    }

    /// A manifest that is put under a reference.
    pub(super) fn put(&mut self, server: &str, reference: &str, digest: &str, status: u16) -> &mut Self {
        self.ask(server, Kind::ManifestPut, reference, status).last().digest = Some(digest.to_owned());
        self
    }

    /// A step of an upload whose address is known: the request's own, and where the answer leads.
    pub(super) fn step(&mut self, kind: Kind, upload: &str, digest: &str, status: u16) -> &mut Self {
        let place = format!("/v2/{REPOSITORY}/blobs/uploads/{upload}?_state=#1");
        let last = self.ask("ghcr", kind, digest, status).last();
        last.path.clone_from(&place);
        if status == 202 {
            last.answer_headers.insert("location".into(), format!("http://127.0.0.1:5000{place}"));
        }
        self
    }

    /// The answer to the last request had a header.
    pub(super) fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.last().answer_headers.insert(name.into(), value.into());
        self
    }

    /// The last request showed no token.
    pub(super) fn anonymous(&mut self) -> &mut Self {
        self.last().headers.clear();
        self
    }

    /// The last request took so long.
    pub(super) fn took(&mut self, ms: u64) -> &mut Self {
        let last = self.last();
        last.ended_ms = last.began_ms + ms;
        self
    }

    pub(super) fn last(&mut self) -> &mut Exchange {
        self.history.last_mut().unwrap()
    }
}
