//! Manifests: read, looked up, written and deleted, by tag or by digest.

use reqwest::{Method, Response, StatusCode, header};

use super::{
    Cause, Registry, RegistryError,
    client::{CONTENT_DIGEST, check_content_digest, header_text},
    error::check_digest,
};
use crate::{
    auth::Scope,
    http::read_answer,
    oci::{Digest, MANIFEST_ACCEPT, RawManifest, Tag, short},
};

/// The largest manifest, in bytes: what registries must take (distribution specification, "Pushing manifests").
pub const MANIFEST_MAX: usize = 4 * 1024 * 1024;

/// How a manifest is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a tag, which may point elsewhere tomorrow.
    Tag(&'a Tag),
    /// By its digest, which is invisible to who pulls by tag.
    Digest(&'a Digest),
}

/// The outcome of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was deleted.
    Yes,
    /// It was not there.
    Absent,
    /// The registry does not delete, or not in this way.
    Unsupported,
}

impl Name<'_> {
    fn path(self) -> String {
        match self {
            Self::Tag(tag) => format!("manifests/{tag}"),
            Self::Digest(digest) => format!("manifests/{digest}"),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Tag(tag) => format!("tag {tag}"),
            Self::Digest(digest) => format!("manifest {}", short(digest)),
        }
    }
}

impl Registry {
    /// Reads a manifest; `None` if there is none of that name.
    pub async fn manifest(&self, name: Name<'_>) -> Result<Option<RawManifest>, RegistryError> {
        self.attempts(&format!("read {}", name.words()), async || self.get_once(name).await).await
    }

    /// Whether a manifest is there, without reading it (on Docker Hub a GET counts as a pull, a HEAD does not).
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        Ok(self.head(Name::Digest(digest)).await?.is_some())
    }

    /// The digest that a tag points at now, `None` if there is no such tag. Asks with HEAD where the registry gives the
    /// digest, which the specification only recommends; else reads the manifest and computes it.
    pub async fn resolve(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let Some(response) = self.head(Name::Tag(tag)).await? else { return Ok(None) };
        match header_text(&response, CONTENT_DIGEST).and_then(|digest| digest.parse().ok()) {
            Some(digest) => Ok(Some(digest)),
            None => Ok(self.manifest(Name::Tag(tag)).await?.map(|manifest| manifest.digest)),
        }
    }

    /// Pushes a manifest by digest, which is invisible to who pulls by tag, or under a tag.
    pub async fn put_manifest(&self, name: Name<'_>, manifest: &RawManifest) -> Result<(), RegistryError> {
        self.attempts(&format!("push {}", name.words()), async || self.put_once(name, manifest).await).await
    }

    /// One attempt of [`put_manifest`](Self::put_manifest).
    pub(crate) async fn put_once(&self, name: Name<'_>, manifest: &RawManifest) -> Result<(), Cause> {
        let request = self.request(Method::PUT, self.url(&name.path())?);
        let request = request.header(header::CONTENT_TYPE, &manifest.media_type).body(manifest.bytes.clone());
        let response = self.send(request).await?;
        if response.status().is_success() {
            return check_content_digest(&response, &manifest.digest);
        }
        let is_denied = response.status() == StatusCode::FORBIDDEN;
        let cause = self.refused(response).await;
        // Docker Hub has been seen to answer 403 for an immutable tag although the content had landed.
        let has_landed =
            is_denied && matches!(self.get_once(name).await, Ok(Some(seen)) if seen.digest == manifest.digest);
        if has_landed { Ok(()) } else { Err(cause) }
    }

    /// Deletes a manifest with all its tags (by digest), or a tag alone (where the registry can).
    pub async fn delete_manifest(&self, name: Name<'_>) -> Result<Deleted, RegistryError> {
        self.attempts(&format!("delete {}", name.words()), async || self.delete_once(name).await).await
    }

    /// One attempt of [`delete_manifest`](Self::delete_manifest).
    pub(crate) async fn delete_once(&self, name: Name<'_>) -> Result<Deleted, Cause> {
        let request = self.request(Method::DELETE, self.url(&name.path())?);
        let response = self.send_scoped(&Scope::delete(&self.repository.name), request).await?;
        match response.status() {
            status if status.is_success() => Ok(Deleted::Yes),
            StatusCode::NOT_FOUND => Ok(Deleted::Absent),
            // 400 is what the specification asks of registries that cannot delete tags, and distribution 2.8 takes
            // the tag for a malformed digest.
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => Ok(Deleted::Unsupported),
            _ => Err(self.refused(response).await),
        }
    }

    async fn head(&self, name: Name<'_>) -> Result<Option<Response>, RegistryError> {
        let head = async || self.ask(Method::HEAD, name).await;
        self.attempts(&format!("look up {}", name.words()), head).await
    }

    async fn ask(&self, method: Method, name: Name<'_>) -> Result<Option<Response>, Cause> {
        let request = self.request(method, self.url(&name.path())?).header(header::ACCEPT, MANIFEST_ACCEPT);
        self.found(self.send(request).await?).await
    }

    /// Reads a manifest and computes its digest, which must be the one asked for.
    async fn get_once(&self, name: Name<'_>) -> Result<Option<RawManifest>, Cause> {
        let Some(response) = self.ask(Method::GET, name).await? else { return Ok(None) };
        let media_type = header_text(&response, header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let manifest = RawManifest::new(media_type, read_answer(response, MANIFEST_MAX).await?);
        if let Name::Digest(digest) = name {
            check_digest(digest, manifest.digest.as_ref())?;
        }
        Ok(Some(manifest))
    }
}
