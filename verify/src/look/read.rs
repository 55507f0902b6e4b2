//! Reads all that a reference leads to: list, manifests, configurations, layers.
//!
//! Each digest is asked for once, because registries count. What is not there, or is not what it should be, does not
//! keep the rest from being read.

use std::io;

use reqwest::Response;
use serde_json::Value;

use super::{
    Child, Config, Descriptor, Layer, LookError, Looker, Manifest, Missing, Publication, Raw, Shape,
    known::Known,
    looker::{Answer, Refusal, header},
    unpacked::{Layered, executables, unpack},
};

/// The largest manifest that is read; registries refuse larger ones.
pub(super) const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// The largest configuration that is read.
const CONFIG_BYTES_MAX: usize = 16 << 20;
/// The header with the digest of a manifest.
pub(super) const DIGEST_HEADER: &str = "docker-content-digest";

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Manifests and configurations are read; it is asked whether layers are there.
    Manifests,
    /// Layers are read too, and programs are looked for in them.
    Layers,
}

impl Looker {
    /// Reads what a tag or digest leads to.
    ///
    /// # Errors
    /// Only where nothing can be said about what is published: see [`LookError`].
    pub async fn publication(&self, reference: &str, depth: Depth) -> Result<Publication, LookError> {
        Reader::new(self.clone(), depth).publication(reference).await
    }
}

/// Reads references of one repository, and remembers what it read by digest.
#[derive(Debug)]
pub struct Reader {
    pub(super) looker: Looker,
    depth: Depth,
    pub(super) missing: Vec<Missing>,
    pub(super) known: Known,
}

impl Reader {
    /// A reader that knows nothing yet.
    pub fn new(looker: Looker, depth: Depth) -> Self {
        Self { looker, depth, missing: Vec::new(), known: Known::default() }
    }

    /// By whom it reads.
    pub const fn looker(&self) -> &Looker {
        &self.looker
    }

    /// Reads what a tag or digest leads to.
    ///
    /// # Errors
    /// Only where nothing can be said about what is published: see [`LookError`].
    pub async fn publication(&mut self, reference: &str) -> Result<Publication, LookError> {
        self.missing.clear();
        let root = self.root(reference).await?;
        let (shape, children) = match &root {
            None => (Shape::Absent, Vec::new()),
            Some(root) => self.children(root).await?,
        };
        Ok(Publication {
            server: self.looker.place().server.clone(),
            repository: self.looker.place().repository(),
            reference: reference.to_owned(),
            root,
            shape,
            children,
            missing: std::mem::take(&mut self.missing),
        })
    }

    fn miss(&mut self, what: impl Into<String>, cause: impl Into<String>) {
        self.missing.push(Missing { what: what.into(), path: None, status: None, cause: cause.into() });
    }

    /// What an answer gives; nothing, and a note, if it is a refusal.
    pub(super) fn given(&mut self, what: &str, path: &str, answer: Answer) -> Option<Response> {
        match answer {
            Answer::Here(response) => Some(response),
            Answer::Refused(Refusal { status, said }) => {
                let (what, path) = (what.to_owned(), Some(path.to_owned()));
                self.missing.push(Missing { what, path, status: Some(status), cause: said });
                None
            }
        }
    }

    /// What a reference names. What a digest names is read once.
    async fn root(&mut self, reference: &str) -> Result<Option<Manifest>, LookError> {
        if let Some(manifest) = self.known_manifest(reference) {
            return Ok(Some(manifest));
        }
        let manifest = self.manifest(reference).await?;
        self.known.learn_root(manifest.as_ref());
        Ok(manifest)
    }

    async fn manifest(&mut self, reference: &str) -> Result<Option<Manifest>, LookError> {
        let (what, path) = (format!("manifest {reference}"), format!("manifests/{reference}"));
        let answer = self.looker.get(&path).await?;
        let Some(answer) = self.given(&what, &path, answer) else { return Ok(None) };
        let media_type = header(&answer, "content-type").unwrap_or_default();
        let stated_digest = header(&answer, DIGEST_HEADER);
        let Some(bytes) = self.looker.body(&what, answer, MANIFEST_BYTES_MAX).await? else {
            self.miss(what, format!("larger than {MANIFEST_BYTES_MAX} bytes"));
            return Ok(None);
        };
        let raw = Raw::from(bytes);
        let own_media_type = body(&raw)["mediaType"].as_str().map(str::to_owned);
        Ok(Some(Manifest { digest: raw.digest(), raw, media_type, own_media_type, stated_digest }))
    }

    async fn children(&mut self, root: &Manifest) -> Result<(Shape, Vec<Child>), LookError> {
        let body = body(&root.raw);
        if let Some(entries) = body["manifests"].as_array() {
            let mut children = Vec::new();
            for descriptor in self.descriptors("list", entries) {
                children.push(self.entry(descriptor).await?);
            }
            Ok((Shape::List, children))
        } else if body["config"].is_object() {
            Ok((Shape::Image, vec![self.image(None, Some(root.clone())).await?]))
        } else {
            self.miss(format!("manifest {}", root.digest), "neither a list nor an image");
            Ok((Shape::Other, Vec::new()))
        }
    }

    async fn entry(&mut self, descriptor: Descriptor) -> Result<Child, LookError> {
        if descriptor.is_attestation() {
            let path = format!("manifests/{}", descriptor.digest);
            let answer = self.looker.head(&path).await?;
            self.given(&format!("attestation {}", descriptor.digest), &path, answer);
            return Ok(Child { descriptor: Some(descriptor), ..Child::default() });
        }
        if let Some(child) = self.known_image(&descriptor).await? {
            return Ok(child);
        }
        let before = self.missing.len();
        let manifest = self.manifest(&descriptor.digest).await?;
        let child = self.image(Some(descriptor), manifest).await?;
        if self.missing.len() == before {
            self.known.learn(&child);
        }
        Ok(child)
    }

    async fn image(&mut self, descriptor: Option<Descriptor>, manifest: Option<Manifest>) -> Result<Child, LookError> {
        let mut child = Child { descriptor, manifest, ..Child::default() };
        let Some(manifest) = &child.manifest else { return Ok(child) };
        let (what, body) = (format!("manifest {}", manifest.digest), body(&manifest.raw));
        match self.descriptors(&what, std::slice::from_ref(&body["config"])).pop() {
            Some(descriptor) => {
                child.config = self.config(&descriptor).await?;
                child.config_descriptor = Some(descriptor);
            }
            None => return Ok(child),
        }
        let layers = body["layers"].as_array().map(|layers| self.descriptors(&what, layers)).unwrap_or_default();
        match self.depth {
            Depth::Manifests => {
                for descriptor in layers {
                    child.layers.push(self.layer_there(descriptor).await?);
                }
            }
            Depth::Layers => self.layers(&mut child, layers).await?,
        }
        Ok(child)
    }

    async fn config(&mut self, descriptor: &Descriptor) -> Result<Option<Config>, LookError> {
        let (what, path) = (format!("configuration {}", descriptor.digest), format!("blobs/{}", descriptor.digest));
        let answer = self.looker.get(&path).await?;
        let Some(answer) = self.given(&what, &path, answer) else { return Ok(None) };
        let Some(bytes) = self.looker.body(&what, answer, CONFIG_BYTES_MAX).await? else {
            self.miss(what, format!("larger than {CONFIG_BYTES_MAX} bytes"));
            return Ok(None);
        };
        let config = Config::read(Raw::from(bytes));
        if let Some(problem) = &config.problem {
            self.miss(what, problem);
        }
        Ok(Some(config))
    }

    async fn layer_there(&mut self, descriptor: Descriptor) -> Result<Layer, LookError> {
        let path = format!("blobs/{}", descriptor.digest);
        let answer = self.looker.head(&path).await?;
        let answer = self.given(&format!("layer {}", descriptor.digest), &path, answer);
        Ok(Layer { stated_size: answer.as_ref().and_then(size), descriptor, content: None })
    }

    async fn layers(&mut self, child: &mut Child, layers: Vec<Descriptor>) -> Result<(), LookError> {
        let mut archives = Vec::new();
        let expected = layers.len();
        for descriptor in layers {
            let (what, path) = (format!("layer {}", descriptor.digest), format!("blobs/{}", descriptor.digest));
            let answer = self.looker.get(&path).await?;
            let Some(answer) = self.given(&what, &path, answer) else {
                child.layers.push(Layer { descriptor, stated_size: None, content: None });
                continue;
            };
            let stated_size = size(&answer);
            let Layered { content, archive } = unpack(&self.looker, &what, answer).await?;
            match &content.problem {
                Some(problem) => self.miss(format!("the files of {what}"), problem),
                None => archives.push(archive),
            }
            child.layers.push(Layer { descriptor, stated_size, content: Some(content) });
        }
        // With a layer missing, a program that is missing proves nothing.
        if let Some(config) = child.config.as_ref().filter(|it| it.problem.is_none() && archives.len() == expected) {
            let facts = config.facts.clone();
            match in_background(move || executables(&archives, &facts)).await {
                Ok(executables) => child.executables = Some(executables),
                Err(error) => self.miss(format!("the programs of {}", child.platform_name()), error.to_string()),
            }
        }
        Ok(())
    }

    fn descriptors(&mut self, what: &str, values: &[Value]) -> Vec<Descriptor> {
        let mut descriptors = Vec::new();
        for value in values {
            match serde_json::from_value(value.clone()) {
                Ok(descriptor) => descriptors.push(descriptor),
                Err(error) => self.miss(format!("an entry of {what}"), format!("{error}: {value}")),
            }
        }
        descriptors
    }
}

/// A manifest's body; null if it is not JSON.
fn body(raw: &Raw) -> Value {
    serde_json::from_slice(raw.bytes()).unwrap_or_default()
}

/// The size that a registry tells with a blob. HEAD has no body, so that `content_length` would be zero.
fn size(answer: &Response) -> Option<u64> {
    header(answer, "content-length")?.parse().ok()
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
