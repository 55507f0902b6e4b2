//! Blobs that are already there: looked up, and small ones read.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use reqwest::{Method, Response, StatusCode, Url, header};
use sha2::{Digest as _, Sha256};

use super::{Blob, BlobSource, Cause, Registry, RegistryError};
use crate::{
    http::{RequestError, Verdict, read_blob, read_chunks},
    oci::{Digest, digest_of, digest_of_hash, short},
};

/// The largest blob that is read into memory, in bytes. Only configurations are.
pub const BLOB_IN_MEMORY_MAX: usize = 8 * 1024 * 1024;
/// How often a registry may send us on to another host for one blob.
const REDIRECTS_MAX: usize = 5;

impl Registry {
    /// Whether a blob is there.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        self.attempts(&format!("look up blob {}", short(digest)), async || self.head_blob(digest).await).await
    }

    pub(super) async fn head_blob(&self, digest: &Digest) -> Result<bool, Cause> {
        let response = self.ask_blob(Method::HEAD, digest).await?;
        let led_on = response.status().is_redirection() || *response.url() != self.blob_url(digest)?;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => match self.refused(response).await {
                // An address that is signed for GET alone refuses HEAD. It says nothing about the blob, so that is sent.
                cause if led_on && cause.verdict() == Verdict::Never => Ok(false),
                cause => Err(cause),
            },
        }
    }

    /// Reads a small blob whole and checks its digest; `None` if it is not there.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Bytes>, RegistryError> {
        self.attempts(&format!("read blob {}", short(digest)), async || {
            let Some(response) = self.get_blob(digest).await? else { return Ok(None) };
            let bytes = read_blob(response, BLOB_IN_MEMORY_MAX).await?;
            let seen = digest_of(&bytes);
            if seen == *digest {
                Ok(Some(bytes))
            } else {
                Err(Cause::DigestMismatch { expected: digest.clone(), seen: seen.to_string() })
            }
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
            let seen = digest_of_hash(hash);
            if seen != *digest {
                return Err(Cause::DigestMismatch { expected: digest.clone(), seen: seen.to_string() });
            }
            Ok(Some(Blob { digest: seen, size, source: BlobSource::File(Arc::new(path)) }))
        })
        .await
    }

    async fn get_blob(&self, digest: &Digest) -> Result<Option<Response>, Cause> {
        let response = self.ask_blob(Method::GET, digest).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(response).await),
        }
    }

    /// Asks for a blob, there where the registry has it.
    async fn ask_blob(&self, method: Method, digest: &Digest) -> Result<Response, Cause> {
        let scope = self.scope();
        let ask = async |url: &Url| self.send(&scope, async || Ok(self.request(method.clone(), url.clone()))).await;
        let mut response = ask(&self.blob_url(digest)?).await?;
        for _ in 0..REDIRECTS_MAX {
            if !response.status().is_redirection() {
                break;
            }
            let Ok(url) = location(&response) else { break };
            response = ask(&url).await?;
        }
        Ok(response)
    }

    fn blob_url(&self, digest: &Digest) -> Result<Url, RequestError> {
        self.url(&format!("blobs/{digest}"))
    }
}

/// The `Location` of an answer, absolute or relative to what was asked.
pub(super) fn location(response: &Response) -> Result<Url, RequestError> {
    let text = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let text = text.ok_or_else(|| RequestError::Protocol("the answer names no location".into()))?;
    response.url().join(text).map_err(|_| RequestError::Protocol("the answer names a location that is no URL".into()))
}
