//! One blob pushed: looked up, mounted, or uploaded, and resumed after a broken connection.
//!
//! The sequence is POST, one PATCH with all bytes, PUT: what podman and crane send, so every registry takes it. (Chunks
//! are not used: GHCR refuses chunks over 4 MiB.) An upload's address is taken as it comes, with its query, because
//! it may carry state and signature (distribution specification 1.1, "Pushing blobs").

use std::{
    io::{self, SeekFrom},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::TryStreamExt as _;
use reqwest::{Body, Method, Response, StatusCode, Url, header};
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

use super::{
    Blob, BlobSource, Cause, Registry, RegistryError,
    client::{check_content_digest, header_text, location},
};
use crate::{
    auth::Scope,
    event::BlobOutcome,
    http::RequestError,
    oci::{Digest, short},
};

/// How much of a file is read at a time, in bytes. Times [`super::UPLOADS_MAX`] and the number of hosts, this is what
/// uploads hold in memory, however large a layer is.
const CHUNK: usize = 256 * 1024;
const OCTET_STREAM: &str = "application/octet-stream";
/// How long the cancelling of an upload may take, which nothing depends on.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// What a registry answers when an upload cannot be resumed: wrong bytes, wrong length, wrong order.
const SPOILED: &[u16] = &[400, 404, RANGE_NOT_SATISFIABLE, 422];
const RANGE_NOT_SATISFIABLE: u16 = 416;

/// Called with the number of bytes of a blob that were handed to the network so far.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// An upload that a registry has opened.
struct Session {
    location: Url,
    /// How many bytes the registry has, as far as it has said.
    offset: u64,
}

impl Registry {
    /// Pushes a blob. `mount_from` is another repository of the same registry that holds it. `progress`
    /// begins anew with an attempt that cannot resume.
    pub async fn push_blob(
        &self,
        blob: &Blob,
        mount_from: Option<&str>,
        progress: &Progress,
    ) -> Result<BlobOutcome, RegistryError> {
        // The upload that the attempt before left.
        let mut broken: Option<Session> = None;
        let push = async || {
            let _permit = self.limiter.uploads.acquire().await;
            // The registry has accepted all bytes, so a blob that is there now was uploaded by us.
            let is_sent = broken.as_ref().is_some_and(|session| session.offset == blob.size);
            if let Some(session) = &broken
                && let Some(session) = self.find_offset(blob, session).await
            {
                match self.fill(blob, session, progress, &mut broken).await {
                    // It does not accept the rest alone: GHCR refuses parts over 4 MiB.
                    Err(cause) if has_status(&cause, &[RANGE_NOT_SATISFIABLE]) => {}
                    result => return result,
                }
            }
            if self.head_blob(&blob.digest).await? {
                return Ok(if is_sent { BlobOutcome::Uploaded } else { BlobOutcome::Present });
            }
            let opened = match self.open_upload(mount_from.map(|from| (&blob.digest, from))).await {
                // An account that may not mount may still upload, for example with a credential for one repository only.
                Err(cause) if mount_from.is_some() && !cause.is_transient() => self.open_upload(None).await?,
                opened => opened?,
            };
            let Some(session) = opened else { return Ok(BlobOutcome::Mounted) };
            self.fill(blob, session, progress, &mut broken).await
        };
        self.attempts(&format!("push blob {}", short(&blob.digest)), push).await
    }

    /// Opens an upload and cancels it, to find out early whether the account may push here.
    pub async fn check_push(&self) -> Result<(), RegistryError> {
        let opened = self.attempts("open an upload", async || self.open_upload(None).await).await?;
        if let Some(Session { location, .. }) = opened {
            let scope = Scope::delete(&self.repository.name);
            let cancel = self.send_scoped(&scope, self.request(Method::DELETE, location));
            // Some registries cannot. They all forget uploads that are not continued.
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel).await;
        }
        Ok(())
    }

    /// Sends the bytes that an upload lacks and closes it. If that fails, it is kept to be resumed unless it is spoiled.
    async fn fill(
        &self,
        blob: &Blob,
        mut session: Session,
        progress: &Progress,
        broken: &mut Option<Session>,
    ) -> Result<BlobOutcome, Cause> {
        let mut result = self.send_rest(blob, &mut session, progress).await;
        if result.is_ok() {
            result = self.close_upload(blob, &session).await;
        }
        *broken = result.as_ref().is_err_and(|cause| !has_status(cause, SPOILED)).then_some(session);
        result.map(|()| BlobOutcome::Uploaded)
    }

    /// Opens an upload; `None` if the blob was mounted instead.
    async fn open_upload(&self, mount: Option<(&Digest, &str)>) -> Result<Option<Session>, Cause> {
        let mut url = self.url("blobs/uploads/")?;
        let mut scope = self.scope();
        if let Some((digest, from)) = mount {
            url.query_pairs_mut().append_pair("mount", digest.as_ref()).append_pair("from", from);
            scope = Scope::mount(&self.repository.name, from);
        }
        let request = self.request(Method::POST, url).header(header::CONTENT_LENGTH, 0);
        let response = self.send_scoped(&scope, request).await?;
        match response.status() {
            StatusCode::CREATED if mount.is_some() => Ok(None),
            StatusCode::ACCEPTED => Ok(Some(Session { location: location(&response)?, offset: 0 })),
            _ => Err(self.refused(response).await),
        }
    }

    /// Asks how many bytes a broken upload has (`GET` on its address). `None`, which means to start anew, unless the
    /// answer is clear.
    async fn find_offset(&self, blob: &Blob, session: &Session) -> Option<Session> {
        let response = self.send(self.request(Method::GET, session.location.clone())).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let offset = received(&response).filter(|offset| *offset <= blob.size)?;
        Some(Session { location: location(&response).unwrap_or(session.location.clone()), offset })
    }

    async fn send_rest(&self, blob: &Blob, session: &mut Session, progress: &Progress) -> Result<(), Cause> {
        let offset = session.offset;
        if offset >= blob.size {
            return Ok(());
        }
        let patch = async || {
            let mut request = self
                .request(Method::PATCH, session.location.clone())
                .header(header::CONTENT_TYPE, OCTET_STREAM)
                .header(header::CONTENT_LENGTH, blob.size - offset);
            if offset > 0 {
                request = request.header(header::CONTENT_RANGE, format!("{offset}-{}", blob.size - 1));
            }
            progress(offset);
            let body = self.body(blob, offset, progress).await.map_err(RequestError::Body)?;
            Ok(request.body(body).build()?)
        };
        let response = self.send_each(&self.scope(), patch).await?;
        // 202 is what the specification says; 201 and 204 occur.
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        session.location = location(&response)?;
        session.offset = blob.size;
        progress(blob.size);
        Ok(())
    }

    async fn close_upload(&self, blob: &Blob, session: &Session) -> Result<(), Cause> {
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", blob.digest.as_ref());
        let request = self.request(Method::PUT, url).header(header::CONTENT_TYPE, OCTET_STREAM);
        let response = self.send(request.header(header::CONTENT_LENGTH, 0)).await?;
        match response.status() {
            StatusCode::CREATED => check_content_digest(&response, &blob.digest),
            _ => Err(self.refused(response).await),
        }
    }

    /// The bytes from `offset` on, counted as they leave.
    async fn body(&self, blob: &Blob, offset: u64, progress: &Progress) -> io::Result<Body> {
        match &blob.source {
            BlobSource::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..).into())
            }
            BlobSource::File(path) => {
                let mut file = tokio::fs::File::open(&**path).await?;
                file.seek(SeekFrom::Start(offset)).await?;
                let (traffic, progress, mut sent) = (Arc::clone(&self.traffic), Arc::clone(progress), offset);
                Ok(Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| {
                    traffic.bytes_sent.fetch_add(chunk.len() as u64, Relaxed);
                    sent += chunk.len() as u64;
                    progress(sent);
                })))
            }
        }
    }
}

fn has_status(cause: &Cause, statuses: &[u16]) -> bool {
    cause.refusal().is_some_and(|refusal| statuses.contains(&refusal.status))
}

/// How many bytes of an upload a registry has: `Range: 0-<last>`. Registries say `0-0` both for one byte and for none,
/// so that says nothing.
fn received(response: &Response) -> Option<u64> {
    let last: u64 =
        header_text(response, header::RANGE)?.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    (last > 0).then_some(last + 1)
}
