//! The digest that a tag points at, asked for by HEAD, which registries do not count as a pull.

use reqwest::{Response, StatusCode};

use super::{
    Client, ClientError, Raw,
    http::header,
    reader::{DIGEST_HEADER, MANIFEST_BYTES_MAX},
};

impl Client {
    /// The digest of a tag or digest; none if it does not exist.
    ///
    /// # Errors
    /// Silence, trouble of the registry's, and a refusal: it does not say whether the tag exists.
    pub async fn resolve(&self, reference: &str) -> Result<Option<String>, ClientError> {
        let path = format!("manifests/{reference}");
        let answer = self.head(&path).await?;
        self.digest(&path, answer).await
    }

    /// The same with one attempt.
    pub(super) async fn resolve_once(&self, reference: &str) -> Result<Option<String>, ClientError> {
        let path = format!("manifests/{reference}");
        let answer = self.head_once(&path).await?;
        self.digest(&path, answer).await
    }

    /// Whether something below the repository exists: `blobs/sha256:…`.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub(super) async fn exists(&self, path: &str) -> Result<bool, ClientError> {
        let answer = self.head(path).await?;
        Ok(self.found(path, answer)?.is_some())
    }

    /// The digest from the answer to a HEAD. The header is only recommended: without it, the bytes are read.
    async fn digest(&self, path: &str, answer: Response) -> Result<Option<String>, ClientError> {
        let Some(answer) = self.found(path, answer)? else { return Ok(None) };
        if let Some(digest) = header(&answer, DIGEST_HEADER) {
            return Ok(Some(digest));
        }
        let answer = self.get(path).await?;
        let Some(answer) = self.found(path, answer)? else { return Ok(None) };
        match self.body(path, answer, MANIFEST_BYTES_MAX).await? {
            Some(bytes) => Ok(Some(Raw::from(bytes).digest())),
            None => Err(ClientError::Malformed {
                host: self.repository().host.clone(),
                what: path.to_owned(),
                problem: "it is too large".to_owned(),
            }),
        }
    }

    fn found(&self, path: &str, answer: Response) -> Result<Option<Response>, ClientError> {
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(ClientError::status(&self.repository().host, path, &answer)),
        }
    }
}
