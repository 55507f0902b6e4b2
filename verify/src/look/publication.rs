//! What a reference on a registry leads to: plain data, to be saved and judged later, whoever's registry it was on.
//!
//! Nothing is left out because something else is wrong: what could not be read is listed in [`Publication::missing`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Child, Descriptor, Raw};

/// All that was read of one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// The registry's name: `ghcr`.
    pub server: String,
    /// Registry and repository: `ghcr.io/acme/hello`.
    pub repository: String,
    /// The tag or digest that was looked at.
    pub reference: String,
    /// What it names, if that could be read.
    pub root: Option<Manifest>,
    /// What kind of thing that is.
    pub shape: Shape,
    /// The images that it consists of, and attestations, in the list's order.
    pub children: Vec<Child>,
    /// What could not be read.
    pub missing: Vec<Missing>,
}

/// What a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Nothing.
    Absent,
    /// A manifest list (Docker's name) or index (OCI's).
    List,
    /// A single image.
    Image,
    /// Something that is neither.
    Other,
}

/// A manifest, whether of a list or of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its exact bytes.
    pub raw: Raw,
    /// The media type that the registry sent it with.
    pub media_type: String,
    /// The media type that it says itself.
    pub own_media_type: Option<String>,
    /// Its digest, computed over the bytes.
    pub digest: String,
    /// The digest that the registry said.
    pub stated_digest: Option<String>,
}

/// Something that should have been there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What: `manifest sha256:…`.
    pub what: String,
    /// Where in the repository it should have been, if it was asked for: `manifests/sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the registry answered, if that was the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why.
    pub cause: String,
}

impl Publication {
    /// Whether the reference names anything.
    pub const fn is_there(&self) -> bool {
        self.root.is_some()
    }

    /// The digest of what it names.
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

    /// The entries of the list; none for what is no list.
    pub fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        self.children.iter().filter_map(|child| child.descriptor.as_ref())
    }

    /// How reports call it: `ghcr:latest`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.server, self.reference)
    }
}

impl Missing {
    /// Whether the registry says that there is no such thing, which may be a matter of time.
    pub const fn is_absent(&self) -> bool {
        matches!(self.status, Some(404))
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
