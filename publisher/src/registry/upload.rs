//! One blob put on a registry: looked up, mounted, or sent, and resumed where the line broke.
//!
//! The sequence is POST, one PATCH with all bytes, PUT: what podman and crane send, so every registry takes it. (Chunks
//! are not used: GHCR refuses chunks over 4 MiB.) An upload's address is taken as it comes, with its query, because
//! it may carry state and signature (distribution specification 1.1, "Pushing blobs").

use std::{
    io::{self, SeekFrom},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use reqwest::{Body, Method, Response, StatusCode, Url, header};
use tempfile::TempPath;
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

use super::{Cause, Registry, RegistryError, blob::location, manifest::check_told};
use crate::{
    auth::Scope,
    event::BlobOutcome,
    http::{RequestError, Verdict},
    oci::{Digest, short},
};

/// How many blobs are sent to one host at once.
pub const UPLOADS_MAX: usize = 4;
/// How much of a file is read at a time, in bytes. Times [`UPLOADS_MAX`] and the number of hosts, this is what
/// uploads hold in memory, however large a layer is.
const CHUNK: usize = 256 * 1024;
/// How long the cancelling of an upload may take, which nothing depends on.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// What a registry answers when its upload is of no use any more: wrong bytes, wrong length, wrong order. One that broke
/// off, or that the registry had no time for, can go on.
const SPOILED: &[StatusCode] = &[
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::RANGE_NOT_SATISFIABLE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Told how many bytes of a blob were handed to the network so far.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Bytes that can be sent any number of times.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// Held in memory: a configuration.
    Memory(Bytes),
    /// A file that is deleted when the last user lets go of it: a compressed layer.
    File(Arc<TempPath>),
}

/// A blob to be pushed.
#[derive(Debug, Clone)]
pub struct Blob {
    /// SHA-256 over the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// Where they are.
    pub source: BlobSource,
}

/// An upload that a registry has opened.
struct Session {
    location: Url,
    /// How many bytes the registry has, as far as it told.
    offset: u64,
}

/// What a registry said to the wish to upload.
enum Opened {
    Session(Session),
    Mounted,
}

/// What one attempt leaves to the next.
#[derive(Default)]
struct Leftover {
    /// An upload that may go on.
    session: Option<Session>,
    /// Whether a registry took all bytes once, so that a blob that is there is our work.
    taken: bool,
}

impl Registry {
    /// Puts a blob on the registry. `mount_from` is another repository of the same registry that holds it. `progress`
    /// begins anew with an attempt that cannot resume.
    pub async fn push_blob(
        &self,
        blob: &Blob,
        mount_from: Option<&str>,
        progress: &Progress,
    ) -> Result<BlobOutcome, RegistryError> {
        let mut leftover = Leftover::default();
        self.attempts(&format!("push blob {}", short(&blob.digest)), async || {
            self.push_once(blob, mount_from, progress, &mut leftover).await
        })
        .await
    }

    /// Opens an upload and cancels it: who may not push, or not here, learns it now.
    pub async fn check_push(&self) -> Result<(), RegistryError> {
        let opened = self.attempts("open an upload", async || self.open_upload(None).await).await?;
        if let Opened::Session(Session { location, .. }) = opened {
            let scope = Scope::delete(&self.repository.name);
            let cancel = self.send(&scope, async || Ok(self.request(Method::DELETE, location.clone())));
            // Some registries cannot. They all forget uploads that nobody goes on with.
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel).await;
        }
        Ok(())
    }

    async fn push_once(
        &self,
        blob: &Blob,
        mount_from: Option<&str>,
        progress: &Progress,
        leftover: &mut Leftover,
    ) -> Result<BlobOutcome, Cause> {
        let _permit = self.turns.uploads.acquire().await;
        if let Some(broken) = leftover.session.take()
            && let Some(resumed) = self.where_it_broke(blob, broken).await
        {
            match self.fill(blob, resumed, progress, leftover).await {
                // It will not have the rest alone: GHCR takes no part over 4 MiB.
                Err(cause) if has_status(&cause, &[StatusCode::RANGE_NOT_SATISFIABLE]) => {}
                settled => return settled,
            }
        }
        if self.head_blob(&blob.digest).await? {
            return Ok(if leftover.taken { BlobOutcome::Uploaded } else { BlobOutcome::Present });
        }
        let opened = match self.open_upload(mount_from.map(|from| (&blob.digest, from))).await {
            // Who may not mount may still send, for example with a credential for one repository only.
            Err(cause) if mount_from.is_some() && cause.verdict() == Verdict::Never => self.open_upload(None).await?,
            opened => opened?,
        };
        match opened {
            Opened::Mounted => Ok(BlobOutcome::Mounted),
            Opened::Session(session) => self.fill(blob, session, progress, leftover).await,
        }
    }

    /// Sends what an upload lacks and ends it. If that fails, the upload is left over unless it is of no use any more.
    async fn fill(
        &self,
        blob: &Blob,
        mut session: Session,
        progress: &Progress,
        leftover: &mut Leftover,
    ) -> Result<BlobOutcome, Cause> {
        let mut settled = self.send_rest(blob, &mut session, progress).await;
        if settled.is_ok() {
            leftover.taken = true;
            settled = self.close_upload(blob, &session).await;
        }
        leftover.session = settled.as_ref().is_err_and(|cause| !has_status(cause, SPOILED)).then_some(session);
        settled.map(|()| BlobOutcome::Uploaded)
    }

    async fn open_upload(&self, mount: Option<(&Digest, &str)>) -> Result<Opened, Cause> {
        let mut url = self.url("blobs/uploads/")?;
        let mut scope = self.scope();
        if let Some((digest, from)) = mount {
            url.query_pairs_mut().append_pair("mount", digest.as_ref()).append_pair("from", from);
            scope = Scope::mount(&self.repository.name, from);
        }
        let response = self
            .send(&scope, async || Ok(self.request(Method::POST, url.clone()).header(header::CONTENT_LENGTH, 0)))
            .await?;
        match response.status() {
            StatusCode::CREATED if mount.is_some() => Ok(Opened::Mounted),
            StatusCode::ACCEPTED => Ok(Opened::Session(Session { location: location(&response)?, offset: 0 })),
            _ => Err(self.refused(response).await),
        }
    }

    /// Asks where a broken upload stands (`GET` on its address). Whatever is not a clear answer means starting anew.
    async fn where_it_broke(&self, blob: &Blob, session: Session) -> Option<Session> {
        let response =
            self.send(&self.scope(), async || Ok(self.request(Method::GET, session.location.clone()))).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let offset = received(&response).filter(|offset| *offset <= blob.size)?;
        Some(Session { location: location(&response).unwrap_or(session.location), offset })
    }

    async fn send_rest(&self, blob: &Blob, session: &mut Session, progress: &Progress) -> Result<(), Cause> {
        if session.offset >= blob.size {
            return Ok(());
        }
        let offset = session.offset;
        let response = self
            .send(&self.scope(), async || {
                let request = self
                    .request(Method::PATCH, session.location.clone())
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, blob.size - offset);
                let request = if offset == 0 {
                    request
                } else {
                    request.header(header::CONTENT_RANGE, format!("{offset}-{}", blob.size - 1))
                };
                progress(offset);
                Ok(request.body(self.body(blob, offset, progress).await.map_err(RequestError::Body)?))
            })
            .await?;
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
        let response = self
            .send(&self.scope(), async || {
                Ok(self
                    .request(Method::PUT, url.clone())
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, 0))
            })
            .await?;
        match response.status() {
            StatusCode::CREATED => check_told(&response, &blob.digest),
            _ => Err(self.refused(response).await),
        }
    }

    /// The bytes from `offset` on, counted as they leave.
    async fn body(&self, blob: &Blob, offset: u64, progress: &Progress) -> io::Result<Body> {
        match &blob.source {
            BlobSource::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                self.traffic.sent(bytes.len() - start);
                Ok(bytes.slice(start..).into())
            }
            BlobSource::File(path) => {
                let mut file = tokio::fs::File::open(&**path).await?;
                file.seek(SeekFrom::Start(offset)).await?;
                let (traffic, progress, mut sent) = (Arc::clone(&self.traffic), Arc::clone(progress), offset);
                Ok(Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK).inspect_ok(move |chunk| {
                    traffic.sent(chunk.len());
                    sent += chunk.len() as u64;
                    progress(sent);
                })))
            }
        }
    }
}

fn has_status(cause: &Cause, statuses: &[StatusCode]) -> bool {
    cause.refusal().is_some_and(|refusal| statuses.iter().any(|status| *status == refusal.status))
}

/// How many bytes of an upload a registry has: `Range: 0-<last>`. Registries say `0-0` both for one byte and for none,
/// so that says nothing.
fn received(response: &Response) -> Option<u64> {
    let text = response.headers().get(header::RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    (last > 0).then_some(last + 1)
}
