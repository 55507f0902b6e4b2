//! Tests of the stand-ins, asked over the wire.

mod docker_hub;
mod github;

use std::net::SocketAddr;

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::harness::registry::{Storage, tests::http};

pub(super) const REPOSITORY: &str = "acme/hello";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A repository with `latest` and `1.0.0`, which share their amd64 image.
pub(super) struct Sample {
    pub(super) storage: Storage,
    pub(super) latest: String,
    pub(super) release: String,
    pub(super) shared: String,
}

impl Sample {
    pub(super) fn new() -> Self {
        let storage = Storage::new().unwrap();
        let image = |name: &str| put_image(&storage, REPOSITORY, name);
        let (shared, old, new) = (image("shared"), image("old"), image("new"));
        let list = |tag: &str, images: [(&str, &String); 2]| {
            let entry = |(architecture, digest)| json!({ "digest": digest, "platform": { "architecture": architecture, "os": "linux" } });
            let entries: Vec<Value> = images.into_iter().map(entry).collect();
            put(&storage, REPOSITORY, &json!({ "mediaType": LIST, "manifests": entries }), &[tag])
        };
        let latest = list("latest", [("amd64", &shared), ("arm64", &new)]);
        let release = list("1.0.0", [("amd64", &shared), ("arm64", &old)]);
        Self { storage, latest, release, shared }
    }

    pub(super) fn manifests(&self) -> Vec<String> {
        self.storage.manifests(REPOSITORY).unwrap()
    }

    pub(super) fn tags(&self) -> Vec<String> {
        self.storage.tags(REPOSITORY).unwrap().into_keys().collect()
    }
}

pub(super) fn put(storage: &Storage, repository: &str, manifest: &Value, tags: &[&str]) -> String {
    storage.put(repository, manifest.to_string().as_bytes(), tags).unwrap()
}

/// Puts an image that differs from others by its name.
pub(super) fn put_image(storage: &Storage, repository: &str, name: &str) -> String {
    let layer = json!({ "digest": name, "size": 1000 });
    put(storage, repository, &json!({ "mediaType": IMAGE, "config": { "size": 7 }, "layers": [layer] }), &[])
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().or_else(|| self.body["detail"].as_str()).unwrap_or_default()
    }

    /// The texts under a name in all entries of a listing.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let entries = self.body.as_array().or_else(|| self.body["results"].as_array()).unwrap();
        entries.iter().map(|entry| entry[name].as_str().unwrap()).collect()
    }
}

/// A client with an `Authorization` header.
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) authorization: Option<String>,
}

impl Client {
    /// Sends a request to a path, or to an address that a stand-in gave.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let url = if path.starts_with("http://") { path.to_owned() } else { format!("http://{}{path}", self.address) };
        let mut request = http().request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Reply { status, headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }
}
