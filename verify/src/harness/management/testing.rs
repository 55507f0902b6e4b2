//! A registry's contents as a small map, and a client to ask a stand-in with.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::contents::{Contents, StoredManifest};

pub(super) const REPOSITORY: &str = "acme/hello";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Contents in memory.
#[derive(Default)]
pub(super) struct Memory {
    held: Mutex<Held>,
    /// How often a manifest was read.
    pub(super) reads: AtomicUsize,
    /// Whether nothing can be read.
    broken: bool,
}

#[derive(Default)]
struct Held {
    tags: BTreeMap<(String, String), String>,
    manifests: BTreeMap<(String, String), StoredManifest>,
}

impl Memory {
    /// Contents of which nothing can be read.
    pub(super) fn broken() -> Arc<Self> {
        Arc::new(Self { broken: true, ..Self::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    fn add(&self, repository: &str, media_type: &str, document: &Value) -> String {
        let bytes = document.to_string().into_bytes();
        let digest = Sha256::digest(&bytes).iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"));
        let manifest = StoredManifest { media_type: media_type.to_owned(), bytes };
        self.held().manifests.insert((repository.to_owned(), digest.clone()), manifest);
        digest
    }

    /// Adds an image that differs from others by its name.
    pub(super) fn image(&self, repository: &str, name: &str) -> String {
        let layer = json!({ "digest": name, "size": 1000 });
        self.add(repository, IMAGE, &json!({ "mediaType": IMAGE, "config": { "size": 7 }, "layers": [layer] }))
    }

    /// Adds a list of images.
    pub(super) fn list(&self, repository: &str, images: &[(&str, &String)]) -> String {
        let entry = |(architecture, digest): &(&str, &String)| json!({ "digest": digest, "platform": { "architecture": architecture, "os": "linux" } });
        let entries: Vec<Value> = images.iter().map(entry).collect();
        self.add(repository, LIST, &json!({ "mediaType": LIST, "manifests": entries }))
    }

    pub(super) fn tag(&self, repository: &str, tag: &str, digest: &str) {
        self.held().tags.insert((repository.to_owned(), tag.to_owned()), digest.to_owned());
    }

    /// Adds a manifest as it was.
    pub(super) fn restore(&self, repository: &str, digest: &str, manifest: &StoredManifest, tags: &[String]) {
        self.held().manifests.insert((repository.to_owned(), digest.to_owned()), manifest.clone());
        for tag in tags {
            self.tag(repository, tag, digest);
        }
    }

    /// All digests of the repository that the tests use.
    pub(super) fn digests(&self) -> BTreeSet<String> {
        self.manifests(REPOSITORY).unwrap().into_iter().collect()
    }

    fn readable<T>(&self, value: T) -> io::Result<T> {
        if self.broken { Err(io::Error::other("the disk is gone")) } else { Ok(value) }
    }
}

impl Contents for Memory {
    fn repositories(&self) -> io::Result<Vec<String>> {
        let repositories: BTreeSet<String> = self.held().manifests.keys().map(|(of, _)| of.clone()).collect();
        Ok(repositories.into_iter().collect())
    }

    fn tags(&self, repository: &str) -> io::Result<BTreeMap<String, String>> {
        let held = self.held();
        let tags = held.tags.iter().filter(|((of, _), _)| of == repository);
        self.readable(tags.map(|((_, tag), digest)| (tag.clone(), digest.clone())).collect())
    }

    fn manifests(&self, repository: &str) -> io::Result<Vec<String>> {
        let held = self.held();
        self.readable(held.manifests.keys().filter(|(of, _)| of == repository).map(|(_, it)| it.clone()).collect())
    }

    fn manifest(&self, repository: &str, digest: &str) -> io::Result<Option<StoredManifest>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.readable(self.held().manifests.get(&(repository.to_owned(), digest.to_owned())).cloned())
    }

    fn has_blob(&self, _: &str, _: &str) -> io::Result<bool> {
        Ok(true)
    }

    fn remove_tag(&self, repository: &str, tag: &str) -> io::Result<bool> {
        Ok(self.held().tags.remove(&(repository.to_owned(), tag.to_owned())).is_some())
    }

    fn remove_manifest(&self, repository: &str, digest: &str) -> io::Result<bool> {
        let mut held = self.held();
        held.tags.retain(|(of, _), target| of != repository || target != digest);
        Ok(held.manifests.remove(&(repository.to_owned(), digest.to_owned())).is_some())
    }
}

/// A repository with `latest` and `1.0.0`, which share their amd64 image.
pub(super) struct Sample {
    pub(super) contents: Arc<Memory>,
    pub(super) latest: String,
    pub(super) release: String,
    pub(super) shared: String,
}

impl Sample {
    pub(super) fn new() -> Self {
        let contents = Memory::default();
        let image = |name: &str| contents.image(REPOSITORY, name);
        let (shared, old, new) = (image("shared"), image("old"), image("new"));
        let latest = contents.list(REPOSITORY, &[("amd64", &shared), ("arm64", &new)]);
        let release = contents.list(REPOSITORY, &[("amd64", &shared), ("arm64", &old)]);
        contents.tag(REPOSITORY, "latest", &latest);
        contents.tag(REPOSITORY, "1.0.0", &release);
        Self { contents: Arc::new(contents), latest, release, shared }
    }

    /// What a stand-in is started with.
    pub(super) fn behind(&self) -> Arc<dyn Contents> {
        Arc::<Memory>::clone(&self.contents)
    }
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().or_else(|| self.body["detail"].as_str()).unwrap_or_default()
    }

    /// The texts under a name in all entries of a listing.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let entries = self.body.as_array().or_else(|| self.body["results"].as_array()).unwrap();
        entries.iter().map(|entry| entry[name].as_str().unwrap()).collect()
    }
}

/// Asks as a user would: over the wire.
pub(super) struct Client {
    address: SocketAddr,
    http: reqwest::Client,
    pub(super) authorization: Option<String>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { address, http: reqwest::Client::builder().no_proxy().build().unwrap(), authorization: None }
    }

    pub(super) fn with(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// Asks for a path, or for an address that a stand-in gave.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let address =
            if path.starts_with("http://") { path.to_owned() } else { format!("http://{}{path}", self.address) };
        let mut request = self.http.request(method, address);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
        Reply { status, headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.ask(Method::DELETE, path, None).await
    }

    pub(super) async fn post(&self, path: &str) -> Reply {
        self.ask(Method::POST, path, None).await
    }
}
