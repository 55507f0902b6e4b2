//! Reads everything that a reference leads to: list, manifests, configurations, layers.
//!
//! What is missing or wrong does not keep the rest from being read. Registries count requests, so each digest is read once;
//! in later rounds it is only asked, by HEAD, whether it is still there.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use reqwest::{Response, header::HeaderMap};
use serde_json::Value;

use super::{
    Child, Client, ClientError, Config, Descriptor, Layer, Manifest, ManifestKind, Missing, Publication, Raw,
    files::Files,
    http::{header, text},
    layer::read_layer,
    programs::executables,
};

/// The largest manifest that is read; registries refuse larger ones.
pub(super) const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// The largest configuration that is read.
const CONFIG_BYTES_MAX: usize = 16 << 20;
/// How much of the body of a refusal is kept.
const REFUSAL_CHARS_MAX: usize = 300;
/// The header with the digest of a manifest.
pub(super) const DIGEST_HEADER: &str = "docker-content-digest";

/// How deep a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Manifests and configurations; layers are only asked for.
    Manifests,
    /// Layers too, with the programs in them.
    Layers,
}

#[cfg(test)]
impl Client {
    /// Reads what a tag or digest leads to.
    ///
    /// # Errors
    /// Only where nothing can be said about what is published: see [`ClientError`].
    pub async fn publication(&self, reference: &str, depth: Depth) -> Result<Publication, ClientError> {
        Reader::new(self.clone(), depth).publication(reference).await
    }
}

/// Reads references of one repository, and keeps what it read by digest.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    depth: Depth,
    missing: Vec<Missing>,
    cache: Cache,
}

/// What was read before, by digest.
#[derive(Debug, Default)]
struct Cache {
    roots: HashMap<String, Manifest>,
    /// Images of which nothing was missing.
    images: HashMap<String, Child>,
    /// The digests that were read or asked for in this round.
    used: HashSet<String>,
}

impl Reader {
    /// A reader with an empty cache.
    pub fn new(client: Client, depth: Depth) -> Self {
        Self { client, depth, missing: Vec::new(), cache: Cache::default() }
    }

    /// The client that it reads with.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Begins another round: each cached digest is asked for again, and what the last round did not use is dropped.
    pub fn next_round(&mut self) {
        let Cache { roots, images, used } = &mut self.cache;
        roots.retain(|digest, _| used.contains(digest));
        images.retain(|digest, _| used.contains(digest));
        used.clear();
    }

    /// Drops everything that was read before.
    pub fn clear(&mut self) {
        self.cache = Cache::default();
    }

    /// Reads what a tag or digest leads to.
    ///
    /// # Errors
    /// Only where nothing can be said about what is published: see [`ClientError`].
    pub async fn publication(&mut self, reference: &str) -> Result<Publication, ClientError> {
        self.missing.clear();
        let root = self.root(reference).await?;
        let (shape, children) = match &root {
            None => (ManifestKind::Absent, Vec::new()),
            Some(root) => self.children(root).await?,
        };
        Ok(Publication {
            server: self.client.repository().server.clone(),
            repository: self.client.repository().to_string(),
            reference: reference.to_owned(),
            root,
            shape,
            children,
            missing: std::mem::take(&mut self.missing),
        })
    }

    /// A cached digest is not asked for: the caller has just resolved a tag to it.
    async fn root(&mut self, reference: &str) -> Result<Option<Manifest>, ClientError> {
        if let Some(manifest) = self.cache.roots.get(reference).cloned() {
            self.cache.used.insert(manifest.digest.clone());
            return Ok(Some(manifest));
        }
        let manifest = self.manifest(reference).await?;
        if let Some(manifest) = &manifest {
            self.cache.used.insert(manifest.digest.clone());
            self.cache.roots.insert(manifest.digest.clone(), manifest.clone());
        }
        Ok(manifest)
    }

    async fn children(&mut self, root: &Manifest) -> Result<(ManifestKind, Vec<Child>), ClientError> {
        let body = json(&root.raw);
        if let Some(entries) = body["manifests"].as_array() {
            let mut children = Vec::new();
            for descriptor in self.descriptors("list", entries) {
                children.push(self.entry(descriptor).await?);
            }
            Ok((ManifestKind::List, children))
        } else if body["config"].is_object() {
            Ok((ManifestKind::Image, vec![self.image(None, Some(root.clone())).await?]))
        } else {
            self.miss(format!("manifest {}", root.digest), &"neither a list nor an image");
            Ok((ManifestKind::Other, Vec::new()))
        }
    }

    async fn entry(&mut self, descriptor: Descriptor) -> Result<Child, ClientError> {
        let digest = descriptor.digest.clone();
        if descriptor.is_attestation() {
            let path = format!("manifests/{digest}");
            let answer = self.client.head(&path).await?;
            self.accept(&format!("attestation {digest}"), &path, answer).await?;
            return Ok(Child { descriptor: Some(descriptor), ..Child::default() });
        }
        if let Some(child) = self.cached_image(&digest).await? {
            return Ok(Child { descriptor: Some(descriptor), ..child });
        }
        let missing_before = self.missing.len();
        let manifest = self.manifest(&digest).await?;
        let child = self.image(Some(descriptor), manifest).await?;
        if self.missing.len() == missing_before {
            self.cache.used.insert(digest.clone());
            self.cache.images.insert(digest, child.clone());
        }
        Ok(child)
    }

    /// An image that was read before. None if a part of it is gone: reading it again tells which.
    async fn cached_image(&mut self, digest: &str) -> Result<Option<Child>, ClientError> {
        let Some(child) = self.cache.images.get(digest).cloned() else { return Ok(None) };
        if self.cache.used.insert(digest.to_owned()) {
            let blobs = child.config_descriptor.iter().chain(child.layers.iter().map(|layer| &layer.descriptor));
            let blobs = blobs.map(|blob| format!("blobs/{}", blob.digest));
            for path in std::iter::once(format!("manifests/{digest}")).chain(blobs) {
                if !self.client.head(&path).await?.status().is_success() {
                    self.cache.images.remove(digest);
                    return Ok(None);
                }
            }
        }
        Ok(Some(child))
    }

    async fn manifest(&mut self, reference: &str) -> Result<Option<Manifest>, ClientError> {
        let (what, path) = (format!("manifest {reference}"), format!("manifests/{reference}"));
        let Some((headers, bytes)) = self.read(&what, &path, MANIFEST_BYTES_MAX).await? else { return Ok(None) };
        let raw = Raw::from(bytes);
        Ok(Some(Manifest {
            media_type: text(&headers, "content-type").unwrap_or_default(),
            own_media_type: json(&raw)["mediaType"].as_str().map(str::to_owned),
            digest: raw.digest(),
            stated_digest: text(&headers, DIGEST_HEADER),
            raw,
        }))
    }

    async fn image(
        &mut self,
        descriptor: Option<Descriptor>,
        manifest: Option<Manifest>,
    ) -> Result<Child, ClientError> {
        let mut child = Child { descriptor, manifest, ..Child::default() };
        let Some(manifest) = &child.manifest else { return Ok(child) };
        let (what, body) = (format!("manifest {}", manifest.digest), json(&manifest.raw));
        child.config_descriptor = self.descriptors(&what, std::slice::from_ref(&body["config"])).pop();
        let Some(config) = &child.config_descriptor else { return Ok(child) };
        child.config = self.config(&config.digest).await?;
        let layers = body["layers"].as_array().map(|layers| self.descriptors(&what, layers)).unwrap_or_default();
        match self.depth {
            Depth::Manifests => {
                for descriptor in layers {
                    let path = format!("blobs/{}", descriptor.digest);
                    let answer = self.client.head(&path).await?;
                    let answer = self.accept(&format!("layer {}", descriptor.digest), &path, answer).await?;
                    let stated_size = answer.as_ref().and_then(stated_size);
                    child.layers.push(Layer { stated_size, descriptor, content: None });
                }
            }
            Depth::Layers => self.layers(&mut child, layers).await?,
        }
        Ok(child)
    }

    async fn config(&mut self, digest: &str) -> Result<Option<Config>, ClientError> {
        let (what, path) = (format!("configuration {digest}"), format!("blobs/{digest}"));
        let Some((_, bytes)) = self.read(&what, &path, CONFIG_BYTES_MAX).await? else { return Ok(None) };
        let config = Config::parse(Raw::from(bytes));
        if let Some(problem) = &config.problem {
            self.miss(what, problem);
        }
        Ok(Some(config))
    }

    /// Reads all layers, and finds the programs in them if nothing is missing.
    async fn layers(&mut self, child: &mut Child, layers: Vec<Descriptor>) -> Result<(), ClientError> {
        let mut files = Some(Files::default());
        for descriptor in layers {
            let (what, path) = (format!("layer {}", descriptor.digest), format!("blobs/{}", descriptor.digest));
            let answer = self.client.get(&path).await?;
            let mut layer = Layer { descriptor, stated_size: None, content: None };
            let mut entries = None;
            if let Some(answer) = self.accept(&what, &path, answer).await? {
                layer.stated_size = stated_size(&answer);
                let read = tokio::task::spawn_blocking(move || read_layer(answer)).await.map_err(io::Error::other)?;
                let read = read.map_err(|source| self.client.unreachable(&what, source))?;
                match (&read.content.problem, read.entries) {
                    (Some(problem), _) => self.miss(format!("the files of {what}"), problem),
                    (None, Ok(found)) => entries = Some(found),
                    (None, Err(error)) => self.miss(format!("the programs of {}", child.platform_name()), &error),
                }
                layer.content = Some(read.content);
            }
            child.layers.push(layer);
            files = files.zip(entries).map(|(files, entries)| files.with_layer(entries));
        }
        let config = child.config.as_ref().filter(|it| it.problem.is_none());
        child.executables = files.zip(config).map(|(files, config)| executables(&files, &config.facts));
        Ok(())
    }

    /// Gets a document, and the headers of the answer. None, and a note, if it is refused or too large.
    async fn read(
        &mut self,
        what: &str,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<(HeaderMap, Vec<u8>)>, ClientError> {
        let answer = self.client.get(path).await?;
        let Some(answer) = self.accept(what, path, answer).await? else { return Ok(None) };
        let headers = answer.headers().clone();
        let body = self.client.body(what, answer, bytes_max).await?;
        if body.is_none() {
            self.miss(what, &format!("larger than {bytes_max} bytes"));
        }
        Ok(body.map(|bytes| (headers, bytes)))
    }

    /// Passes an answer on if it has what was asked for. Else notes the refusal, with what it says.
    async fn accept(&mut self, what: &str, path: &str, answer: Response) -> Result<Option<Response>, ClientError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(Some(answer));
        }
        let body = self.client.beginning(path, answer, REFUSAL_CHARS_MAX).await?;
        let said: String = String::from_utf8_lossy(&body).trim().chars().take(REFUSAL_CHARS_MAX).collect();
        let cause = if said.is_empty() { status.canonical_reason().unwrap_or_default().to_owned() } else { said };
        let (what, path) = (what.to_owned(), Some(path.to_owned()));
        self.missing.push(Missing { what, path, status: Some(status.as_u16()), cause });
        Ok(None)
    }

    fn miss(&mut self, what: impl Into<String>, cause: &impl ToString) {
        self.missing.push(Missing { what: what.into(), path: None, status: None, cause: cause.to_string() });
    }

    fn descriptors(&mut self, what: &str, values: &[Value]) -> Vec<Descriptor> {
        let mut descriptors = Vec::new();
        for value in values {
            match serde_json::from_value(value.clone()) {
                Ok(descriptor) => descriptors.push(descriptor),
                Err(error) => self.miss(format!("an entry of {what}"), &format!("{error}: {value}")),
            }
        }
        descriptors
    }
}

/// Null if it is not JSON.
fn json(raw: &Raw) -> Value {
    serde_json::from_slice(raw.bytes()).unwrap_or_default()
}

/// The size that a registry states with a blob. HEAD has no body, so `content_length` would be zero.
fn stated_size(answer: &Response) -> Option<u64> {
    header(answer, "content-length")?.parse().ok()
}
