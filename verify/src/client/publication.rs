//! What a reference on a registry leads to, as plain data that can be saved and judged later (OCI image-spec 1.1, "image
//! index" and "descriptor"; Docker's manifest list). Parsing is lenient, because anything may be published.
//!
//! One flaw hides nothing else: what could not be read is listed in [`Publication::missing`].

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Config, Executable, Raw, machine_of};

/// The annotation by which buildx marks attestations in an index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// All that was read of one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// The registry's name: `ghcr`.
    pub server: String,
    /// Registry and repository: `ghcr.io/acme/hello`.
    pub repository: String,
    /// The tag or digest.
    pub reference: String,
    /// The manifest that it names, if that could be read.
    pub root: Option<Manifest>,
    /// The kind of that manifest.
    pub shape: ManifestKind,
    /// The images and attestations of a list, in its order, or the one image.
    pub children: Vec<Child>,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

/// The kind of thing that a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestKind {
    /// Nothing.
    Absent,
    /// A manifest list (Docker's name) or index (OCI's).
    List,
    /// A single image.
    Image,
    /// Something that is neither.
    Other,
}

/// A manifest, of a list or of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its exact bytes.
    pub raw: Raw,
    /// The media type that the registry sent it with.
    pub media_type: String,
    /// The media type in the manifest itself.
    pub own_media_type: Option<String>,
    /// Its digest, computed over the bytes.
    pub digest: String,
    /// The digest that the registry stated.
    pub stated_digest: Option<String>,
}

/// Something that should have been there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Its name: `manifest sha256:…`.
    pub what: String,
    /// Its path in the repository, if it was asked for: `manifests/sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The registry's status, if that was the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason.
    pub cause: String,
}

/// An image, or an attestation about one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Its entry in the list; none if the reference names the image itself.
    pub descriptor: Option<Descriptor>,
    /// Its manifest, if that could be read. Attestations are not read, only asked for.
    pub manifest: Option<Manifest>,
    /// The entry for its configuration in its manifest.
    pub config_descriptor: Option<Descriptor>,
    /// Its configuration, if that could be read.
    pub config: Option<Config>,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The programs that its entry point and its health check reach; none if layers were not all read.
    pub executables: Option<Vec<Executable>>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its entry in the manifest.
    pub descriptor: Descriptor,
    /// The size that the registry stated, if any.
    pub stated_size: Option<u64>,
    /// Its content; none if it was not read.
    pub content: Option<LayerContent>,
}

/// The content of a layer that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerContent {
    /// The number of bytes received.
    pub size: u64,
    /// Their digest.
    pub digest: String,
    /// The digest of the unpacked bytes; none if they do not unpack.
    pub diff_id: Option<String>,
    /// Why they do not unpack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A reference from one document to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its platform; in entries of lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Operating system and architecture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`
    #[serde(default)]
    pub architecture: String,
    /// `v8`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Publication {
    /// Whether the reference names anything.
    pub const fn is_there(&self) -> bool {
        self.root.is_some()
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> Option<&str> {
        self.root.as_ref().map(|root| root.digest.as_str())
    }

    /// The images: all children that are no attestations.
    pub fn platforms(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(|child| !child.is_attestation())
    }

    /// The image for a platform: `linux/arm64` finds every variant of it.
    pub fn platform(&self, name: &str) -> Option<&Child> {
        self.platforms().find(|child| {
            let is = child.platform_name();
            is == name || is.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// Its name in reports: `ghcr:latest`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.server, self.reference)
    }
}

impl Child {
    /// Whether it is an attestation, not an image.
    pub fn is_attestation(&self) -> bool {
        self.descriptor.as_ref().is_some_and(Descriptor::is_attestation)
    }

    /// Its platform by the list's entry, else by its own configuration.
    pub fn platform(&self) -> Option<&Platform> {
        let listed = self.descriptor.as_ref().and_then(|it| it.platform.as_ref());
        listed.or_else(|| self.config.as_ref()?.facts.platform.as_ref())
    }

    /// The same as text: `linux/arm64`.
    pub fn platform_name(&self) -> String {
        self.platform().map_or_else(|| "unknown".to_owned(), Platform::name)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.facts.labels.get(name).map(String::as_str)
    }

    /// The digest of the manifest that was read, else of the list's entry.
    pub fn digest(&self) -> Option<&str> {
        let read = self.manifest.as_ref().map(|it| it.digest.as_str());
        read.or_else(|| self.descriptor.as_ref().map(|it| it.digest.as_str()))
    }

    /// The programs that are made for another machine than the image's, or that are not there.
    pub fn unusable_executables(&self) -> impl Iterator<Item = &Executable> {
        let machine = self.platform().and_then(|platform| machine_of(&platform.architecture));
        self.executables.iter().flatten().filter(move |it| !it.runs_on(machine))
    }
}

impl Descriptor {
    /// Whether it names an attestation about another entry.
    pub fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(REFERENCE_TYPE))
    }
}

impl Platform {
    /// `linux/arm64`, `linux/arm64/v8`.
    pub fn name(&self) -> String {
        match self.variant.as_deref() {
            None | Some("") => format!("{}/{}", self.os, self.architecture),
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(out, "{status} {}", self.cause),
            None => out.write_str(&self.cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_as_users_name_them() {
        let platform: Platform = serde_json::from_str(r#"{"os":"linux","architecture":"arm64"}"#).unwrap();
        assert_eq!(platform.name(), "linux/arm64");
        assert_eq!(Platform { variant: Some("v8".into()), ..platform }.name(), "linux/arm64/v8");
    }
}
