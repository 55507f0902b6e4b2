//! Tags that show late what they point at: after a manifest was put by tag, reads of the tag show what it was before.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue},
    http::request,
};

use super::{answer::Answer, request_body::RequestBody, state::State, table::ActiveRule, upstream};
use crate::history::{Kind, Operation};

const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json",
);

/// The tags that show late.
#[derive(Default)]
pub(super) struct StaleTags(Mutex<Vec<StaleTag>>);

struct StaleTag {
    repository: Option<String>,
    tag: String,
    before: Answer,
    reads_left: usize,
    rule: Arc<ActiveRule>,
}

impl StaleTags {
    /// Shows what a tag was before to the next so many reads, unless the rule is released.
    pub(super) fn add(&self, put: &Operation, before: Answer, reads: usize, rule: Arc<ActiveRule>) {
        let Some(tag) = put.tag() else { return };
        let stale =
            StaleTag { repository: put.repository.clone(), tag: tag.to_owned(), before, reads_left: reads, rule };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stale);
    }

    /// The late answer to a read, and the rule's name; none if the tag does not show late.
    pub(super) fn read(&self, read: &Operation) -> Option<(Answer, String)> {
        let tag = read.tag().filter(|_| matches!(read.kind, Kind::ManifestGet | Kind::ManifestHead))?;
        let mut stale = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stale.retain(|it| it.reads_left > 0 && !it.rule.is_released());
        let stale = stale.iter_mut().find(|it| it.tag == tag && it.repository == read.repository)?;
        stale.reads_left -= 1;
        Some((stale.before.clone(), stale.rule.rule.name.clone()))
    }
}

/// What the tag that a request puts points at now; an error in words if that cannot be read.
pub(super) async fn current(state: &State, put: &request::Parts) -> Result<Answer, String> {
    let request = Request::get(put.uri.path()).header(ACCEPT, MANIFESTS).body(RequestBody::empty());
    let mut request = request.map_err(|error| error.to_string())?;
    for name in [HOST, AUTHORIZATION] {
        if let Some(value) = put.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    let answer = upstream::ask(&state.host(put.uri.path())?, request).await?;
    match answer.status {
        StatusCode::OK | StatusCode::NOT_FOUND => Ok(answer),
        status => Err(format!("a tag cannot be read before it moves: {status}")),
    }
}
