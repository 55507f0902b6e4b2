//! Blobs and uploads (distribution specification 1.1, "Pushing blobs").

use super::{
    exchange::{Answer, Request},
    store::{Store, Upload},
};
use crate::oci::digest_of;

impl Store {
    pub(super) fn give_blob(&self, name: &str, digest: &str) -> Answer {
        match self.repositories.get(name).and_then(|contents| contents.blobs.get(digest)) {
            Some(bytes) => Answer::status(200).header("docker-content-digest", digest).body(bytes.clone()),
            None => Answer::error(404, "BLOB_UNKNOWN"),
        }
    }

    /// Opens an upload, or links the blob of another repository if it is there.
    pub(super) fn open(&mut self, name: &str, request: &Request) -> Answer {
        if let (Some(digest), Some(from)) = (request.parameter("mount"), request.parameter("from"))
            && let Some(bytes) = self.contents(from).blobs.get(digest).cloned()
        {
            self.contents(name).blobs.insert(digest.into(), bytes);
            return Answer::status(201).header("location", format!("/v2/{name}/blobs/{digest}"));
        }
        let id = format!("u{}", self.next());
        let upload = Upload { repository: name.into(), bytes: Vec::new(), state: String::new() };
        self.uploads.insert(id.clone(), upload);
        self.address(&id, 202)
    }

    pub(super) fn progress(&mut self, id: &str) -> Answer {
        if self.uploads.contains_key(id) { self.address(id, 204) } else { unknown_upload() }
    }

    pub(super) fn take(&mut self, id: &str, request: &Request, body: &[u8]) -> Answer {
        let Some(upload) = self.upload(id, request) else { return unknown_upload() };
        if !begins_at(request, upload.bytes.len()) {
            return self.address(id, 416);
        }
        upload.bytes.extend_from_slice(body);
        self.address(id, 202)
    }

    pub(super) fn close(&mut self, id: &str, request: &Request, body: &[u8]) -> Answer {
        if self.upload(id, request).is_none() {
            return unknown_upload();
        }
        let (Some(mut upload), Some(digest)) = (self.uploads.remove(id), request.parameter("digest")) else {
            return Answer::error(400, "DIGEST_INVALID");
        };
        upload.bytes.extend_from_slice(body);
        if !self.trusting && digest_of(&upload.bytes).as_ref() != digest {
            return Answer::error(400, "DIGEST_INVALID");
        }
        let location = format!("/v2/{}/blobs/{digest}", upload.repository);
        self.contents(&upload.repository).blobs.insert(digest.into(), upload.bytes);
        Answer::status(201).header("location", location).header("docker-content-digest", digest)
    }

    pub(super) fn cancel(&mut self, id: &str) -> Answer {
        if self.uploads.remove(id).is_some() { Answer::status(204) } else { unknown_upload() }
    }

    /// Keeps the part of a body that came before the connection broke.
    pub(super) fn keep(&mut self, id: &str, request: &Request, part: &[u8]) {
        if let Some(upload) = self.upload(id, request)
            && begins_at(request, upload.bytes.len())
        {
            upload.bytes.extend_from_slice(part);
        }
    }

    /// The upload, if this is its latest address.
    fn upload(&mut self, id: &str, request: &Request) -> Option<&mut Upload> {
        let state = request.parameter("_state").unwrap_or_default();
        self.uploads.get_mut(id).filter(|upload| upload.state == state)
    }

    /// An answer with an address of its own for what comes next. The state needs escaping, as real ones do.
    fn address(&mut self, id: &str, status: u16) -> Answer {
        let state = format!("s+{}/=", self.next());
        let host = self.absolute.clone().map(|host| format!("http://{host}")).unwrap_or_default();
        let upload = self.uploads.get_mut(id).unwrap();
        upload.state.clone_from(&state);
        let state = state.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let location = format!("{host}/v2/{}/blobs/uploads/{id}?_state={state}&more", upload.repository);
        // Like distribution 2.8, which says `0-0` for nothing too.
        let range = format!("0-{}", upload.bytes.len().saturating_sub(1));
        Answer::status(status).header("location", location).header("range", range)
    }
}

fn begins_at(request: &Request, offset: usize) -> bool {
    match request.header("content-range") {
        "" => true,
        range => range.split_once('-').is_some_and(|(start, _)| start == offset.to_string()),
    }
}

fn unknown_upload() -> Answer {
    Answer::error(404, "BLOB_UPLOAD_UNKNOWN")
}
