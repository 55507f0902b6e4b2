//! Which requests belong to one upload: an answer's `Location` leads from one to the next (distribution specification 1.1,
//! "Pushing blobs"). Queries are left out: what stands in them changes and is redacted.

use std::collections::HashMap;

use crate::history::{Exchange, Kind};

/// The uploads of a history, numbered.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    by_place: HashMap<(String, String), usize>,
    digests: HashMap<usize, String>,
}

impl Uploads {
    /// Follows all uploads from their first request to their last.
    pub(super) fn of(history: &[Exchange]) -> Self {
        let mut uploads = Self::default();
        for exchange in history {
            let Some(operation) = &exchange.operation else { continue };
            let known = match operation.kind {
                Kind::UploadAppend | Kind::UploadFinish => Some(uploads.number(exchange, path(&exchange.path))),
                Kind::UploadBegin | Kind::UploadMount | Kind::UploadWhole => None,
                _ => continue,
            };
            // Only an upload that goes on has a place; the location of one that is done is the blob's.
            let place = location(exchange).filter(|_| exchange.status == Some(202));
            match (known, place) {
                (Some(number), Some(place)) => {
                    uploads.by_place.insert((exchange.server.clone(), place.to_owned()), number);
                }
                (None, Some(place)) => drop(uploads.number(exchange, place)),
                _ => {}
            }
            if let (Some(number), Kind::UploadFinish, Some(digest)) = (known, operation.kind, &operation.reference) {
                uploads.digests.insert(number, digest.clone());
            }
        }
        uploads
    }

    /// The upload that a request belongs to or opened.
    pub(super) fn upload(&self, exchange: &Exchange) -> Option<usize> {
        let place = match exchange.operation.as_ref()?.kind {
            Kind::UploadAppend | Kind::UploadFinish => path(&exchange.path),
            _ => location(exchange).filter(|_| exchange.status == Some(202))?,
        };
        self.by_place.get(&(exchange.server.clone(), place.to_owned())).copied()
    }

    /// The digest that an upload ended with.
    pub(super) fn digest(&self, upload: usize) -> Option<String> {
        self.digests.get(&upload).cloned()
    }

    fn number(&mut self, exchange: &Exchange, place: &str) -> usize {
        let next = self.by_place.len();
        *self.by_place.entry((exchange.server.clone(), place.to_owned())).or_insert(next)
    }
}

fn location(exchange: &Exchange) -> Option<&str> {
    exchange.answer_headers.get("location").map(|location| path(location))
}

/// The path of an address, absolute or relative, without its query.
fn path(address: &str) -> &str {
    let path = address.split('?').next().unwrap_or_default();
    match path.split_once("://") {
        Some((_, behind)) => behind.find('/').map_or("", |slash| &behind[slash..]),
        None => path,
    }
}
