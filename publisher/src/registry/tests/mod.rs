//! The client against a registry that fails as told: what it sends, in which order, and what it makes of every answer.

mod attempts;
mod elsewhere;
mod manifests;
mod mounts;
mod property;
mod resuming;
mod silence;
mod tokens;
mod uploads;
mod waits;

use std::sync::{Arc, LazyLock};

use super::{Blob, Progress, Registry, RegistryError, testing::blob_of};
use crate::{
    event::BlobOutcome,
    oci::{DOCKER_LIST, RawManifest},
};

/// The repository that is pushed to.
const NAME: &str = "acme/hello";
/// The length of [`blob`], in bytes: more than one read of its file.
const SIZE: usize = 300_000;

/// Bytes that differ from each other, so that none can stand in for another.
fn bytes() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=250).cycle().take(SIZE).collect());
    &BYTES
}

fn blob() -> Blob {
    blob_of(bytes())
}

fn nobody() -> Progress {
    Arc::new(|_| ())
}

async fn push(registry: &Registry) -> Result<BlobOutcome, RegistryError> {
    registry.push_blob(&blob(), None, &nobody()).await
}

/// A list without entries: a manifest that needs nothing.
fn manifest() -> RawManifest {
    RawManifest::new(DOCKER_LIST, format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_LIST}","manifests":[]}}"#))
}
