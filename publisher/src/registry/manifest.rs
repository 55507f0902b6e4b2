//! Manifests: read, looked up, written and deleted, by tag or by digest.

use reqwest::{Method, Response, StatusCode, header};

use super::{Cause, Registry, RegistryError};
use crate::{
    auth::Scope,
    http::read_answer,
    oci::{Digest, MANIFEST_ACCEPT, RawManifest, Tag, short},
};

/// The largest manifest, in bytes: what registries must take (distribution specification, "Pushing manifests").
pub const MANIFEST_MAX: usize = 4 * 1024 * 1024;

/// The header in which a registry may tell the digest of what it holds. Only SHOULD: compared where it is there.
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// How a manifest is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a tag, which may point elsewhere tomorrow.
    Tag(&'a Tag),
    /// By its digest, which is invisible to who pulls by tag.
    Digest(&'a Digest),
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Yes,
    /// It was not there.
    Absent,
    /// The registry does not delete, or not in this way.
    Unsupported,
}

impl Name<'_> {
    fn path(self) -> String {
        format!("manifests/{self}")
    }

    fn words(self) -> String {
        match self {
            Self::Tag(tag) => format!("tag {tag}"),
            Self::Digest(digest) => format!("manifest {}", short(digest)),
        }
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Registry {
    /// Reads a manifest; `None` if there is none of that name.
    pub async fn manifest(&self, name: Name<'_>) -> Result<Option<RawManifest>, RegistryError> {
        self.attempts(&format!("read {}", name.words()), async || {
            let response = self.ask(Method::GET, name).await?;
            match response.status() {
                StatusCode::OK => read(name, response).await.map(Some),
                StatusCode::NOT_FOUND => Ok(None),
                _ => Err(self.refused(response).await),
            }
        })
        .await
    }

    /// Whether a manifest is there, without reading it (on Docker Hub a GET counts as a pull, a HEAD does not).
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let name = Name::Digest(digest);
        self.attempts(&format!("look up {}", name.words()), async || {
            let response = self.ask(Method::HEAD, name).await?;
            match response.status() {
                StatusCode::OK => Ok(true),
                StatusCode::NOT_FOUND => Ok(false),
                _ => Err(self.refused(response).await),
            }
        })
        .await
    }

    /// The digest that a tag points at now, `None` if there is no such tag. Asks with HEAD where the registry tells the
    /// digest, which the specification only recommends; else reads the manifest and computes it.
    pub async fn resolve(&self, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let name = Name::Tag(tag);
        let told = self
            .attempts(&format!("look up {}", name.words()), async || {
                let response = self.ask(Method::HEAD, name).await?;
                match response.status() {
                    StatusCode::OK => Ok(Some(told_digest(&response).and_then(|text| text.parse::<Digest>().ok()))),
                    StatusCode::NOT_FOUND => Ok(None),
                    _ => Err(self.refused(response).await),
                }
            })
            .await?;
        match told {
            Some(Some(digest)) => Ok(Some(digest)),
            Some(None) => Ok(self.manifest(name).await?.map(|manifest| manifest.digest)),
            None => Ok(None),
        }
    }

    /// Writes a manifest under a digest (nobody sees it) or a tag (everybody does).
    pub async fn put_manifest(&self, name: Name<'_>, manifest: &RawManifest) -> Result<(), RegistryError> {
        self.attempts(&format!("push {}", name.words()), async || self.put_once(name, manifest).await).await
    }

    /// One attempt of it.
    pub(crate) async fn put_once(&self, name: Name<'_>, manifest: &RawManifest) -> Result<(), Cause> {
        let response = self
            .send(&self.scope(), async || {
                self.traffic.sent(manifest.bytes.len());
                let request = self.request(Method::PUT, self.url(&name.path())?);
                Ok(request.header(header::CONTENT_TYPE, &manifest.media_type).body(manifest.bytes.clone()))
            })
            .await?;
        if response.status().is_success() {
            return check_told(&response, &manifest.digest);
        }
        let denied = response.status() == StatusCode::FORBIDDEN;
        let cause = self.refused(response).await;
        // Docker Hub has been seen to answer 403 for an immutable tag although the content had landed.
        if denied && self.landed(name, manifest).await { Ok(()) } else { Err(cause) }
    }

    /// Deletes a manifest with all its tags (by digest), or a tag alone (where the registry can).
    pub async fn delete_manifest(&self, name: Name<'_>) -> Result<Deleted, RegistryError> {
        self.attempts(&format!("delete {}", name.words()), async || self.delete_once(name).await).await
    }

    /// One attempt of it.
    pub(crate) async fn delete_once(&self, name: Name<'_>) -> Result<Deleted, Cause> {
        let response = self
            .send(&Scope::delete(&self.repository.name), async || {
                Ok(self.request(Method::DELETE, self.url(&name.path())?))
            })
            .await?;
        match response.status() {
            status if status.is_success() => Ok(Deleted::Yes),
            StatusCode::NOT_FOUND => Ok(Deleted::Absent),
            // 400 is what the specification asks of registries that cannot delete tags, and distribution 2.8 takes
            // the tag for a malformed digest.
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => Ok(Deleted::Unsupported),
            _ => Err(self.refused(response).await),
        }
    }

    async fn ask(&self, method: Method, name: Name<'_>) -> Result<Response, Cause> {
        self.send(&self.scope(), async || {
            Ok(self.request(method.clone(), self.url(&name.path())?).header(header::ACCEPT, MANIFEST_ACCEPT))
        })
        .await
    }

    async fn landed(&self, name: Name<'_>, manifest: &RawManifest) -> bool {
        let Ok(response) = self.ask(Method::GET, name).await else { return false };
        response.status() == StatusCode::OK
            && read(name, response).await.is_ok_and(|seen| seen.digest == manifest.digest)
    }
}

/// Reads a manifest's body and computes its digest, which must be the one asked for.
async fn read(name: Name<'_>, response: Response) -> Result<RawManifest, Cause> {
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let manifest = RawManifest::new(media_type, read_answer(response, MANIFEST_MAX).await?);
    match name {
        Name::Digest(digest) if *digest != manifest.digest => {
            Err(Cause::DigestMismatch { expected: digest.clone(), seen: manifest.digest.to_string() })
        }
        _ => Ok(manifest),
    }
}

/// Fails if the registry says that it stored something else than what it was sent.
pub(super) fn check_told(response: &Response, expected: &Digest) -> Result<(), Cause> {
    match told_digest(response) {
        Some(seen) if seen != expected.as_ref() => {
            // What is no digest might be anything.
            let seen = seen.parse().map_or_else(|_| "something else".into(), |seen: Digest| seen.to_string());
            Err(Cause::DigestMismatch { expected: expected.clone(), seen })
        }
        _ => Ok(()),
    }
}

fn told_digest(response: &Response) -> Option<&str> {
    response.headers().get(CONTENT_DIGEST)?.to_str().ok()
}
