//! A version: a manifest with all its tags.

use std::time::SystemTime;

use serde::Deserialize;

use crate::{
    clean::error::protocol,
    oci::{Digest, Tag},
    registry::Cause,
};

/// A version as the interface tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) id: u64,
    name: String,
    created_at: Option<String>,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    container: Container,
}

#[derive(Debug, Deserialize)]
struct Container {
    tags: Vec<String>,
}

impl Version {
    pub(super) fn digest(&self) -> Result<Digest, Cause> {
        self.name.parse().map_err(|_| protocol("a version's name is no digest"))
    }

    pub(super) fn tags(&self) -> Result<Vec<Tag>, Cause> {
        let tags = self.metadata.container.tags.iter().map(|tag| tag.parse());
        tags.collect::<Result<_, _>>().map_err(|_| protocol("a version has a tag that is none"))
    }

    /// When it came to be; nothing where the answer does not say.
    pub(super) fn born(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.created_at.as_deref()?).ok()
    }
}
