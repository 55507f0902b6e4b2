//! Blobs: looked up, and read into memory or into a file.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use reqwest::{Method, Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use super::{Cause, Registry, RegistryError, client::location};
use crate::{
    http::{RequestError, read_blob, read_chunks},
    oci::{Digest, digest_of, digest_of_hash, short},
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
            let Some(response) = self.get_blob(digest).await? else { return Ok(None) };
            let bytes = read_blob(response, BLOB_IN_MEMORY_MAX).await?;
            check_digest(digest, &digest_of(&bytes))?;
            Ok(Some(bytes))
        })
        .await
    }

    /// Reads a blob of any size into a file and checks its digest; `None` if it is not there.
    pub async fn download(&self, digest: &Digest) -> Result<Option<Blob>, RegistryError> {
        self.attempts(&format!("read blob {}", short(digest)), async || {
            let Some(response) = self.get_blob(digest).await? else { return Ok(None) };
            let (mut file, path) = tempfile::NamedTempFile::new().map_err(RequestError::Body)?.into_parts();
            let (mut hash, mut size) = (Sha256::new(), 0);
            read_chunks(response, |chunk| {
                hash.update(chunk);
                size += chunk.len() as u64;
                file.write_all(chunk).map_err(RequestError::Body)
            })
            .await?;
            check_digest(digest, &digest_of_hash(hash))?;
            Ok(Some(Blob { digest: digest.clone(), size, source: BlobSource::File(Arc::new(path)) }))
        })
        .await
    }

    async fn get_blob(&self, digest: &Digest) -> Result<Option<Response>, Cause> {
        self.found(self.ask_blob(Method::GET, digest).await?).await
    }

    /// Asks for a blob, and follows redirects.
    async fn ask_blob(&self, method: Method, digest: &Digest) -> Result<Response, Cause> {
        let mut response = self.send(self.request(method.clone(), self.blob_url(digest)?)).await?;
        for _ in 0..REDIRECTS_MAX {
            if !response.status().is_redirection() {
                break;
            }
            let Ok(url) = location(&response) else { break };
            response = self.send(self.request(method.clone(), url)).await?;
        }
        Ok(response)
    }

    fn blob_url(&self, digest: &Digest) -> Result<Url, RequestError> {
        self.url(&format!("blobs/{digest}"))
    }
}

fn check_digest(expected: &Digest, seen: &Digest) -> Result<(), Cause> {
    if seen == expected {
        Ok(())
    } else {
        Err(Cause::DigestMismatch { expected: expected.clone(), seen: seen.to_string() })
    }
}
