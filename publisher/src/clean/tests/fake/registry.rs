//! The registry itself: manifests and tags, and what each kind makes of a deletion.

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
    response::Response,
};
use serde_json::json;

use super::{Contents, absent, answer, contents::Version};
use crate::{config::DriverKind, oci::Digest};

impl Contents {
    pub(super) fn registry(&mut self, method: &str, rest: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        if rest.starts_with("tags/list") {
            return answer(200, json!({ "tags": self.tags.keys().collect::<Vec<_>>() }).to_string());
        }
        if let Some(blob) = rest.strip_prefix("blobs/").and_then(|digest| self.blobs.get(digest)) {
            return answer(200, blob.clone());
        }
        let Some(name) = rest.strip_prefix("manifests/") else { return absent() };
        match method {
            "PUT" => {
                let media_type = headers["content-type"].to_str().unwrap();
                let digest = self.put(media_type, &serde_json::from_slice(body).unwrap());
                if !name.contains(':') {
                    self.tag(name, &digest);
                }
                answer(201, "")
            }
            "DELETE" => self.delete(name),
            _ => {
                let Some(Version { manifest, .. }) = self.resolve(name) else { return absent() };
                let builder = Response::builder()
                    .header("content-type", &manifest.media_type)
                    .header("docker-content-digest", manifest.digest.to_string());
                builder.body(Body::from(manifest.bytes.clone())).unwrap()
            }
        }
    }

    fn delete(&mut self, name: &str) -> Response {
        let Ok(digest) = name.parse::<Digest>() else { return answer(405, "") };
        if !self.holds(&digest) {
            return absent();
        }
        match self.kind.unwrap() {
            DriverKind::GitHub => return answer(405, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
            // "Only untagged or unreferenced manifests can be deleted."
            DriverKind::DockerHub => {
                let lists: Vec<_> = self.versions.iter().map(|version| version.manifest.digest.clone()).collect();
                let named = lists.iter().any(|list| self.children(list).contains(&digest));
                if named || self.tags.values().any(|at| *at == digest) {
                    return answer(403, r#"{"errors":[{"code":"DENIED"}]}"#);
                }
            }
            DriverKind::Distribution | DriverKind::None => {}
        }
        self.forget(&digest);
        answer(202, "")
    }
}
