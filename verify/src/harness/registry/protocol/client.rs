//! The client that the behaviours are written with, and what it pushes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::answer::Answer;
use crate::harness::{
    registry::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST},
    token::{Access, TokenService},
};

/// All manifests that there are.
const ALL: &[&str] = &[DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST];

/// A configuration that schema 1 could be made of.
const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","config":{},"history":[{"created_by":"COPY"}],"rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#;

/// Headers of a request.
pub(super) type Headers<'a> = &'a [(&'a str, &'a str)];

/// The digest of some bytes, computed apart from what is tested.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex = hash.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("sha256:{hex}")
}

/// A client that follows nothing and knows no proxy.
pub(super) fn http() -> reqwest::Client {
    // It never speaks TLS, but is not made without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// Something that was pushed.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

impl Pushed {
    pub(super) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha256(&bytes), bytes }
    }

    /// A descriptor of it.
    pub(super) fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// A registry, and a repository of one's own on it.
#[derive(Clone)]
pub(super) struct It {
    pub(super) http: reqwest::Client,
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) tokens: Option<Arc<TokenService>>,
    /// What is sent as `Authorization`.
    pub(super) authorization: Option<String>,
}

impl It {
    /// Sends a request to a path, or to a URL.
    pub(super) async fn send(&self, method: Method, to: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
        let url = if to.starts_with('/') { format!("http://{}{to}", self.host) } else { to.to_owned() };
        let mut request = self.http.request(method, url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    pub(super) async fn get(&self, to: &str) -> Answer {
        self.send(Method::GET, to, &[], b"").await
    }

    pub(super) async fn head(&self, to: &str) -> Answer {
        self.send(Method::HEAD, to, &[], b"").await
    }

    pub(super) async fn delete(&self, to: &str) -> Answer {
        self.send(Method::DELETE, to, &[], b"").await
    }

    pub(super) async fn post(&self, to: &str) -> Answer {
        self.send(Method::POST, to, &[("content-length", "0")], b"").await
    }

    pub(super) async fn patch(&self, to: &str, body: &[u8]) -> Answer {
        self.send(Method::PATCH, to, &[("content-type", "application/octet-stream")], body).await
    }

    /// The last request of an upload.
    pub(super) async fn finish(&self, location: &str, digest: &str, body: &[u8]) -> Answer {
        let octets = [("content-type", "application/octet-stream")];
        self.send(Method::PUT, &format!("{location}&digest={digest}"), &octets, body).await
    }

    /// A path in this repository.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    /// Another repository of one's own.
    pub(super) fn beside(&self) -> Self {
        Self { repository: format!("{}-beside", self.repository), ..self.clone() }
    }

    /// The same with another token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// The same with a token for actions on this repository.
    pub(super) fn may(&self, actions: &[&str]) -> Self {
        self.holding(vec![Access::repository(&self.repository, actions)], Duration::ZERO)
    }

    /// The same with a token that was given some time ago.
    pub(super) fn holding(&self, access: Vec<Access>, age: Duration) -> Self {
        let tokens = self.tokens.as_ref().unwrap();
        self.with_token(&tokens.token(access, SystemTime::now() - age).unwrap())
    }

    /// Opens an upload; its location.
    pub(super) async fn open(&self) -> String {
        self.post(&self.path("blobs/uploads/")).await.header("location")
    }

    /// Pushes a blob.
    pub(super) async fn push(&self, bytes: &[u8]) -> Pushed {
        let blob = Pushed::of(bytes);
        let answer = self.finish(&self.open().await, &blob.digest, bytes).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        blob
    }

    /// An image of this repository whose blobs are pushed and whose manifest is not.
    pub(super) async fn image(&self, media_type: &str) -> Pushed {
        let config = self.push(CONFIG).await;
        let layer = self.push(format!("a layer of {}", self.repository).as_bytes()).await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.descriptor("application/vnd.docker.container.image.v1+json"),
            "layers": [layer.descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip")],
        });
        Pushed::of(manifest.to_string())
    }

    /// Puts a manifest.
    pub(super) async fn put(&self, reference: &str, media_type: &str, manifest: &[u8]) -> Answer {
        let path = self.path(&format!("manifests/{reference}"));
        self.send(Method::PUT, &path, &[("content-type", media_type)], manifest).await
    }

    /// A whole Docker image under a tag.
    pub(super) async fn tagged(&self, tag: &str) -> Pushed {
        let image = self.image(DOCKER_MANIFEST).await;
        assert_eq!(self.put(tag, DOCKER_MANIFEST, &image.bytes).await.status, 201);
        image
    }

    /// A list of a pushed image for one architecture, not put.
    pub(super) async fn list(&self, media_type: &str, architecture: &str) -> (Pushed, Pushed) {
        let of = if media_type == OCI_INDEX { OCI_MANIFEST } else { DOCKER_MANIFEST };
        let child = self.image(of).await;
        assert_eq!(self.put(&child.digest, of, &child.bytes).await.status, 201);
        let mut descriptor = child.descriptor(of);
        descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
        let list = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [descriptor]});
        (Pushed::of(list.to_string()), child)
    }

    /// Gets a manifest, whatever it is.
    pub(super) async fn manifest(&self, reference: &str) -> Answer {
        self.accepting(reference, &[&ALL.join(", ")]).await
    }

    /// Gets a manifest with some `Accept` headers.
    pub(super) async fn accepting(&self, reference: &str, accepted: &[&str]) -> Answer {
        let headers: Vec<(&str, &str)> = accepted.iter().map(|&types| ("accept", types)).collect();
        self.send(Method::GET, &self.path(&format!("manifests/{reference}")), &headers, b"").await
    }

    /// Sends bytes as they are, ends the sending, and reads all that comes.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}
