//! Tags that show late what they point at: after a manifest was put by tag, reads of the tag show what it was before.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Empty;
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue},
    http::request,
};

use super::{Answer, table::Slot, upstream};
use crate::history::{Kind, Operation};

const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json",
);

/// The tags that show late.
#[derive(Default)]
pub(super) struct Stale(Mutex<Vec<Late>>);

/// A tag that shows late.
struct Late {
    repository: Option<String>,
    tag: String,
    before: Answer,
    left: Option<usize>,
    slot: Arc<Slot>,
}

impl Stale {
    /// Shows what a tag was before to the next so many reads, or until the rule is released.
    pub(super) fn add(&self, put: &Operation, before: Answer, reads: Option<usize>, slot: Arc<Slot>) {
        let Some(tag) = put.tag() else { return };
        let late = Late { repository: put.repository.clone(), tag: tag.to_owned(), before, left: reads, slot };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(late);
    }

    /// What a read shows late, and the name of the rule.
    pub(super) fn read(&self, read: &Operation) -> Option<(Answer, String)> {
        let tag = read.tag().filter(|_| matches!(read.kind, Kind::ManifestGet | Kind::ManifestHead))?;
        let mut late = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        late.retain(|late| late.left != Some(0) && !late.slot.is_released());
        let late = late.iter_mut().find(|late| late.tag == tag && late.repository == read.repository)?;
        late.left = late.left.map(|left| left - 1);
        Some((late.before.clone(), late.slot.rule.name.clone()))
    }
}

/// What a tag shows now; an error in words if it cannot be told.
pub(super) async fn now(host: &str, put: &request::Parts) -> Result<Answer, String> {
    let mut question = Request::get(put.uri.path()).header(ACCEPT, MANIFESTS).body(Empty::<Bytes>::new());
    if let Ok(question) = &mut question {
        for name in [HOST, AUTHORIZATION] {
            if let Some(value) = put.headers.get(&name) {
                question.headers_mut().insert(name, value.clone());
            }
        }
    }
    let question = question.map_err(|error| error.to_string())?;
    let answer = upstream::ask(host, question).await.map_err(|error| error.in_words())?;
    match answer.status {
        StatusCode::OK | StatusCode::NOT_FOUND => Ok(answer),
        status => Err(format!("what a tag was before cannot be told: {status}")),
    }
}
