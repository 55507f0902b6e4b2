//! Uploads of blobs (distribution-spec 1.1, Pushing blobs).

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{
    call::Call,
    digest::is_digest,
    refusal::{Code, Refusal},
    store::Store,
    upload::{BodyEnd, Upload},
};

/// Names an upload in answers.
pub(super) const UPLOAD_ID: &str = "docker-upload-uuid";
/// The digest of what was answered or stored.
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";
/// The parameter of a location without which it leads nowhere.
const STATE: &str = "_state";

/// Opens an upload, mounts a blob of another repository, or takes a whole blob at once.
pub(super) async fn open(store: &Store, call: &Call, name: &str, body: Body) -> Result<Response, Refusal> {
    if let (Some(digest), Some(from)) = (call.query("mount"), call.query("from"))
        && is_digest(digest)
        && store.mount(name, digest, from)
    {
        return Ok(created(call, name, digest));
    }
    let id = store.begin_upload(name).await?;
    let upload = store.upload(&id).ok_or(Code::BlobUploadUnknown)?.lock_owned().await;
    match call.query("digest") {
        None => Ok(progress(StatusCode::ACCEPTED, call, &id, &upload)),
        Some(_) => finish(store, call, &id, upload, body).await,
    }
}

/// Goes on with an upload that was opened before.
pub(super) async fn proceed(store: &Store, call: &Call, name: &str, id: &str, body: Body) -> Result<Response, Refusal> {
    let offset = call.query(STATE).and_then(|state| read_state(state, name, id));
    let offset = offset.ok_or_else(|| Code::BlobUploadInvalid.about(json!({})))?;
    let upload = find(store, name, id).ok_or(Code::BlobUploadUnknown)?;
    let mut upload = upload.lock_owned().await;
    if offset != upload.size() {
        // The client missed an answer, or uses an old location.
        return Err(Code::BlobUploadInvalid.about(json!({})));
    }
    match call.method {
        Method::GET | Method::HEAD => Ok(progress(StatusCode::NO_CONTENT, call, id, &upload)),
        Method::PATCH => {
            only_bytes(call)?;
            in_order(call, offset)?;
            if upload.append(body).await? == BodyEnd::Broken {
                return Err(Code::Unknown.about("the client went away"));
            }
            Ok(progress(StatusCode::ACCEPTED, call, id, &upload))
        }
        Method::PUT => finish(store, call, id, upload, body).await,
        _ => {
            store.cancel_upload(id, &upload)?;
            Ok((StatusCode::NO_CONTENT, [(UPLOAD_ID, id)]).into_response())
        }
    }
}

async fn finish(
    store: &Store,
    call: &Call,
    id: &str,
    mut upload: OwnedMutexGuard<Upload>,
    body: Body,
) -> Result<Response, Refusal> {
    let digest = call.query("digest").ok_or_else(|| Code::DigestInvalid.about("digest missing"))?;
    if !is_digest(digest) {
        return Err(Code::DigestInvalid.about("digest parsing failed"));
    }
    if upload.append(body).await? == BodyEnd::Broken {
        return Err(Code::Unknown.about("the client went away"));
    }
    if upload.digest() != digest {
        // The bytes stay, so the upload is further than its location says: nobody can go on with it.
        return Err(Code::DigestInvalid.about("content does not match digest"));
    }
    store.finish_upload(id, &upload)?;
    Ok(created(call, &upload.repository, digest))
}

fn find(store: &Store, name: &str, id: &str) -> Option<Arc<AsyncMutex<Upload>>> {
    let upload = store.upload(id)?;
    // One that is being written to is of the repository that its state names: that was compared already.
    let of_another = upload.try_lock().is_ok_and(|upload| upload.repository != name);
    (!of_another).then_some(upload)
}

/// What arrives are bytes, or nobody says what.
fn only_bytes(call: &Call) -> Result<(), Refusal> {
    match call.header(header::CONTENT_TYPE) {
        None | Some("" | "application/octet-stream") => Ok(()),
        Some(_) => Err(Code::Unknown.about("bad Content-Type")),
    }
}

/// A chunk that says where it belongs must belong here (distribution-spec 1.1, Pushing a blob in chunks).
fn in_order(call: &Call, offset: u64) -> Result<(), Refusal> {
    let Some(range) = call.header(header::CONTENT_RANGE) else { return Ok(()) };
    let start = range.split('-').next().and_then(|start| start.parse::<u64>().ok());
    if start == Some(offset) { Ok(()) } else { Err(Code::RangeInvalid.about(json!({}))) }
}

/// The repository, the upload and its offset, so that a location is good once.
fn write_state(name: &str, id: &str, offset: u64) -> String {
    super::digest::digest_of(format!("{name} {id} {offset}").as_bytes()).replace("sha256:", &format!("{offset}."))
}

fn read_state(state: &str, name: &str, id: &str) -> Option<u64> {
    let offset = state.split('.').next()?.parse().ok()?;
    (write_state(name, id, offset) == state).then_some(offset)
}

/// Where to go on, and how far it is. Nothing and one byte look the same, as in distribution 2.8.
fn progress(status: StatusCode, call: &Call, id: &str, upload: &Upload) -> Response {
    let (name, size) = (&upload.repository, upload.size());
    let state = write_state(name, id, size);
    let location = call.url(&format!("/v2/{name}/blobs/uploads/{id}?{STATE}={state}"));
    let range = format!("0-{}", size.saturating_sub(1));
    let headers = [(header::LOCATION.as_str(), location.as_str()), (header::RANGE.as_str(), &range), (UPLOAD_ID, id)];
    (status, headers).into_response()
}

fn created(call: &Call, name: &str, digest: &str) -> Response {
    let location = call.url(&format!("/v2/{name}/blobs/{digest}"));
    let headers = [(header::LOCATION.as_str(), location.as_str()), (CONTENT_DIGEST, digest)];
    (StatusCode::CREATED, headers).into_response()
}
