//! Blobs: looked up, and read into memory or into a file.

use std::{io::Write as _, sync::Arc};

use bytes::{Bytes, BytesMut};
use reqwest::{Method, Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use super::{Cause, Registry, RegistryError, client::location, error::check_digest};
use crate::{
    http::{RequestError, read_chunks},
    oci::{Digest, digest_of_hash, short},
};

/// The largest blob that is read into memory, in bytes. Only configurations are.
pub const BLOB_IN_MEMORY_MAX: usize = 8 * 1024 * 1024;
/// How often a registry may send us on to another host for one blob.
const REDIRECTS_MAX: usize = 5;

/// Bytes that can be sent any number of times.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// Held in memory: a configuration.
    Memory(Bytes),
    /// A file that is deleted with its last user: a compressed layer.
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

impl Registry {
    /// Whether a blob is there.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        self.attempts(&format!("look up blob {}", short(digest)), async || self.head_blob(digest).await).await
    }

    pub(super) async fn head_blob(&self, digest: &Digest) -> Result<bool, Cause> {
        let response = self.ask_blob(Method::HEAD, digest).await?;
        let is_elsewhere = response.status().is_redirection() || *response.url() != self.blob_url(digest)?;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => match self.refused(response).await {
                // An address that is signed for GET alone refuses HEAD, so whether the blob is there is unknown.
                cause if is_elsewhere && !cause.is_transient() => Ok(false),
                cause => Err(cause),
            },
        }
    }

    /// Reads a small blob whole and checks its digest; `None` if it is not there.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Bytes>, RegistryError> {
        self.attempts(&format!("read blob {}", short(digest)), async || {
            let mut bytes = BytesMut::new();
            let take = |chunk: &[u8]| {
                bytes.extend_from_slice(chunk);
                if bytes.len() > BLOB_IN_MEMORY_MAX { Err(RequestError::TooLarge(BLOB_IN_MEMORY_MAX)) } else { Ok(()) }
            };
            let is_there = self.read_blob(digest, take).await?;
            Ok(is_there.then(|| bytes.freeze()))
        })
        .await
    }

    /// Reads a blob of any size into a file and checks its digest; `None` if it is not there.
    pub async fn download(&self, digest: &Digest) -> Result<Option<Blob>, RegistryError> {
        self.attempts(&format!("read blob {}", short(digest)), async || {
            let (mut file, path) = tempfile::NamedTempFile::new().map_err(RequestError::Body)?.into_parts();
            let mut size = 0;
            let take = |chunk: &[u8]| {
                size += chunk.len() as u64;
                file.write_all(chunk).map_err(RequestError::Body)
            };
            let is_there = self.read_blob(digest, take).await?;
            Ok(is_there.then(|| Blob { digest: digest.clone(), size, source: BlobSource::File(Arc::new(path)) }))
        })
        .await
    }

    /// Hands on the bytes of a blob as they arrive, and checks its digest; whether it is there.
    async fn read_blob(
        &self,
        digest: &Digest,
        mut take: impl FnMut(&[u8]) -> Result<(), RequestError>,
    ) -> Result<bool, Cause> {
        let Some(response) = self.found(self.ask_blob(Method::GET, digest).await?).await? else { return Ok(false) };
        let mut hash = Sha256::new();
        read_chunks(response, |chunk| {
            hash.update(chunk);
            take(chunk)
        })
        .await?;
        check_digest(digest, digest_of_hash(hash).as_ref()).map(|()| true)
    }

    /// Asks for a blob, and follows redirects.
    async fn ask_blob(&self, method: Method, digest: &Digest) -> Result<Response, Cause> {
        let mut response = self.send(self.request(method.clone(), self.blob_url(digest)?)).await?;
        for _ in 0..REDIRECTS_MAX {
            let Some(url) = location(&response).ok().filter(|_| response.status().is_redirection()) else { break };
            response = self.send(self.request(method.clone(), url)).await?;
        }
        Ok(response)
    }

    fn blob_url(&self, digest: &Digest) -> Result<Url, RequestError> {
        self.url(&format!("blobs/{digest}"))
    }
}
