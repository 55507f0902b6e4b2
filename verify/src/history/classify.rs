//! Classifies a request by its method, path and query alone (distribution specification 1.1, "Endpoints"; the APIs
//! of Docker Hub and GitHub Packages).
//!
//! Only an endpoint's form is looked at. Whether names, tags and digests are valid is for the server to say: a pipeline
//! that sends bad ones is wrong, not unknown.

use std::borrow::Cow;

use hyper::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{Kind, Operation};

/// What sort of server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// A registry, and its token service at `/token`.
    Registry,
    /// Docker Hub's management interface.
    DockerHub,
    /// GitHub's REST interface.
    GitHub,
}

/// The operation of a request; none if it is of no known kind.
pub fn classify(service: Service, method: &Method, path_and_query: &str) -> Option<Operation> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let segments = path.strip_prefix('/')?.split('/').map(|it| percent_decode_str(it).decode_utf8_lossy());
    let segments: Vec<Cow<'_, str>> = segments.collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match service {
        Service::Registry => registry(method.as_str(), &segments, query),
        Service::DockerHub => docker_hub(method.as_str(), &segments),
        Service::GitHub => github(method.as_str(), &segments),
    }
}

fn registry(method: &str, segments: &[&str], query: &str) -> Option<Operation> {
    let (kind, name, reference) = match (method, segments) {
        ("GET" | "POST", ["token"]) => (Kind::Token, None, None),
        ("GET" | "HEAD", ["v2"] | ["v2", ""]) => (Kind::Ping, None, None),
        ("GET", ["v2", "_catalog"]) => (Kind::Catalog, None, None),
        ("GET", ["v2", name @ .., "tags", "list"]) => (Kind::Tags, Some(name), None),
        ("GET", ["v2", name @ .., "referrers", digest]) => (Kind::Referrers, Some(name), Some(*digest)),
        (_, ["v2", name @ .., "manifests", reference]) => {
            let kind = match method {
                "HEAD" => Kind::ManifestHead,
                "GET" => Kind::ManifestGet,
                "PUT" => Kind::ManifestPut,
                "DELETE" => Kind::ManifestDelete,
                _ => return None,
            };
            (kind, Some(name), Some(*reference))
        }
        ("POST", ["v2", name @ .., "blobs", "uploads"] | ["v2", name @ .., "blobs", "uploads", ""]) => {
            return upload_begun(name, query);
        }
        (_, ["v2", name @ .., "blobs", digest]) if *digest != "uploads" => {
            let kind = match method {
                "HEAD" => Kind::BlobHead,
                "GET" => Kind::BlobGet,
                "DELETE" => Kind::BlobDelete,
                _ => return None,
            };
            (kind, Some(name), Some(*digest))
        }
        (_, ["v2", rest @ ..]) => return upload(method, rest, query),
        _ => return None,
    };
    // An endpoint without its reference is another one, or none.
    if reference.is_some_and(str::is_empty) {
        return None;
    }
    let repository = match name {
        Some(name) => Some(repository(name)?),
        None => None,
    };
    Some(Operation { kind, repository, reference: reference.map(str::to_owned) })
}

/// `POST …/blobs/uploads/`: an ordinary upload, a mount, or a whole blob at once.
fn upload_begun(name: &[&str], query: &str) -> Option<Operation> {
    let (kind, reference) = match (parameter(query, "mount"), parameter(query, "digest")) {
        (Some(digest), _) => (Kind::UploadMount, Some(digest)),
        (None, Some(digest)) => (Kind::UploadWhole, Some(digest)),
        (None, None) => (Kind::UploadBegin, None),
    };
    Some(Operation { kind, repository: Some(repository(name)?), reference })
}

/// An upload's own address, which is opaque behind `blobs/uploads/` (and on GHCR behind `blobs/upload/`).
fn upload(method: &str, rest: &[&str], query: &str) -> Option<Operation> {
    let at = rest.windows(2).rposition(|pair| matches!(pair, ["blobs", "uploads" | "upload"]))?;
    let session = &rest[at + 2..];
    if session.iter().all(|segment| segment.is_empty()) {
        return None;
    }
    let kind = match method {
        "PATCH" => Kind::UploadAppend,
        "PUT" => Kind::UploadFinish,
        "GET" => Kind::UploadStatus,
        "DELETE" => Kind::UploadCancel,
        _ => return None,
    };
    let reference = parameter(query, "digest").filter(|_| kind == Kind::UploadFinish);
    Some(Operation { kind, repository: Some(repository(&rest[..at])?), reference })
}

fn docker_hub(method: &str, segments: &[&str]) -> Option<Operation> {
    // A slash at the end changes nothing there.
    let segments = segments.strip_suffix(&[""]).unwrap_or(segments);
    let (kind, name, tag) = match (method, segments) {
        ("POST", ["v2", "auth", "token"] | ["v2", "users", "login"]) => (Kind::HubLogin, None, None),
        (
            _,
            ["v2", "namespaces", owner, "repositories", name, "tags", tag @ ..]
            | ["v2", "repositories", owner, name, "tags", tag @ ..],
        ) => {
            let kind = match (method, tag) {
                ("GET", []) => Kind::HubTags,
                ("GET" | "HEAD", [_]) => Kind::HubTag,
                ("DELETE", [_]) => Kind::HubTagDelete,
                _ => return None,
            };
            (kind, Some(repository(&[*owner, *name])?), tag.first())
        }
        _ => return None,
    };
    Some(Operation { kind, repository: name, reference: tag.map(|tag| (*tag).to_owned()) })
}

fn github(method: &str, segments: &[&str]) -> Option<Operation> {
    let (owner, rest) = match segments {
        // Whose it is stands in the token alone.
        ["user", rest @ ..] => (None, rest),
        ["users" | "orgs", owner, rest @ ..] => (Some(*owner), rest),
        _ => return None,
    };
    let ["packages", "container", package, rest @ ..] = rest else { return None };
    let (kind, version) = match (method, rest) {
        ("GET", []) => (Kind::Package, None),
        ("DELETE", []) => (Kind::PackageDelete, None),
        ("POST", ["restore"]) => (Kind::PackageRestore, None),
        ("GET", ["versions"]) => (Kind::PackageVersions, None),
        ("GET", ["versions", id]) => (Kind::PackageVersion, Some(*id)),
        ("DELETE", ["versions", id]) => (Kind::PackageVersionDelete, Some(*id)),
        ("POST", ["versions", id, "restore"]) => (Kind::PackageRestore, Some(*id)),
        _ => return None,
    };
    if version.is_some_and(str::is_empty) {
        return None;
    }
    let repository = match owner {
        Some(owner) => repository(&[owner, *package])?,
        None => repository(&[*package])?,
    };
    Some(Operation { kind, repository: Some(repository), reference: version.map(str::to_owned) })
}

fn repository(segments: &[&str]) -> Option<String> {
    let name = segments.join("/");
    (!name.split('/').any(str::is_empty)).then_some(name)
}

/// The first value of a query's parameter.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests;
