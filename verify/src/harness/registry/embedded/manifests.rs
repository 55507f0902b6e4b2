//! Manifests (distribution-spec 1.1, Pulling and pushing manifests; distribution 2.8: registry/handlers/manifests.go).

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{
    accept::{Served, served},
    call::Call,
    digest::{digest_of, is_digest, looks_like_a_digest},
    document::{Document, default_child},
    refusal::{Code, Refusal},
    store::Store,
    uploads::CONTENT_DIGEST,
};
use crate::harness::contents::{Contents as _, StoredManifest};

/// The largest manifest, in bytes.
const MANIFEST_MAX: usize = 4 * 1024 * 1024;

/// What a path names behind `manifests/`.
#[derive(Debug, Clone, Copy)]
enum Reference<'a> {
    Tag(&'a str),
    Digest(&'a str),
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        match text {
            _ if is_digest(text) => Ok(Self::Digest(text)),
            _ if looks_like_a_digest(text) => Err(Code::Unknown.about("unsupported digest algorithm")),
            _ => Ok(Self::Tag(text)),
        }
    }

    const fn tag(self) -> Option<&'a str> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }
}

/// Answers a request for a manifest. `tag_deletion` is about deletions of single tags.
pub(super) async fn answer(
    store: &Store,
    tag_deletion: bool,
    call: &Call,
    (name, reference): (&str, &str),
    body: Body,
) -> Result<Response, Refusal> {
    let reference = Reference::parse(reference)?;
    match call.method {
        Method::PUT => put(store, call, name, reference, body).await,
        Method::DELETE => delete(store, tag_deletion, name, reference),
        _ => get(store, call, name, reference),
    }
}

fn get(store: &Store, call: &Call, name: &str, reference: Reference<'_>) -> Result<Response, Refusal> {
    let digest = match reference {
        Reference::Digest(digest) => digest.to_owned(),
        Reference::Tag(tag) => store.tag(name, tag).ok_or_else(|| Code::ManifestUnknown.about(json!({"Tag": tag})))?,
    };
    if call.has_already(&digest) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let unknown = |digest: &str| Code::ManifestUnknown.about(json!({"name": name, "revision": digest}));
    let find = |digest: &str| store.find_manifest(name, digest).ok_or_else(|| unknown(digest));
    let manifest = find(&digest)?;
    let by_tag = reference.tag().is_some();
    match served(&manifest.media_type, by_tag, &call.headers) {
        Served::AsItIs => Ok(send(manifest, &digest)),
        Served::Not(why) => Err(Code::ManifestUnknown.about(why)),
        Served::OneOfItsChildren => {
            let child = default_child(&manifest.bytes).ok_or(Code::ManifestUnknown)?;
            let manifest = find(&child)?;
            match served(&manifest.media_type, by_tag, &call.headers) {
                Served::AsItIs => Ok(send(manifest, &child)),
                _ => Err(Code::ManifestUnknown.about("schema 1 is not made here")),
            }
        }
    }
}

fn send(manifest: StoredManifest, digest: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), manifest.media_type),
        (header::ETAG.as_str(), format!("\"{digest}\"")),
        (CONTENT_DIGEST, digest.to_owned()),
    ];
    (StatusCode::OK, headers, manifest.bytes).into_response()
}

async fn put(
    store: &Store,
    call: &Call,
    name: &str,
    reference: Reference<'_>,
    body: Body,
) -> Result<Response, Refusal> {
    let invalid = |why: String| Code::ManifestInvalid.about(why);
    let bytes = to_bytes(body, MANIFEST_MAX).await.map_err(|error| invalid(error.to_string()))?;
    let said = call.header(header::CONTENT_TYPE).unwrap_or_default();
    let document = Document::parse(said, &bytes).map_err(invalid)?;
    let digest = digest_of(&bytes);
    if matches!(reference, Reference::Digest(named) if named != digest) {
        return Err(Code::DigestInvalid.into());
    }
    let missing = store.missing(name, &document);
    if !missing.is_empty() {
        return Err(Refusal::all(Code::ManifestBlobUnknown, missing));
    }
    let manifest = StoredManifest { media_type: document.media_type, bytes: bytes.to_vec() };
    store.put_manifest(name, &digest, manifest, reference.tag());
    let location = call.url(&format!("/v2/{name}/manifests/{digest}"));
    let mut answer = StatusCode::CREATED.into_response();
    for (name, value) in [(header::LOCATION.as_str(), location), (CONTENT_DIGEST, digest)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

fn delete(store: &Store, tag_deletion: bool, name: &str, reference: Reference<'_>) -> Result<Response, Refusal> {
    let removed = match reference {
        Reference::Digest(digest) => store.remove_manifest(name, digest)?,
        Reference::Tag(tag) if tag_deletion => store.remove_tag(name, tag)?,
        // Distribution 2.8 takes what is no digest for a wrong one.
        Reference::Tag(_) => return Err(Code::DigestInvalid.into()),
    };
    if removed { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(Code::ManifestUnknown.into()) }
}
