//! What the world's registries do not do as the reference registry does: standing rules, which need not fire.

use hyper::StatusCode;

use super::{Answer, Rule};
use crate::history::Kind;

/// GHCR refuses chunks that are larger.
const GHCR_CHUNK_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A registry of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// GHCR: nothing can be deleted through the registry itself, and chunks are small.
    Ghcr,
    /// Docker Hub: manifests can be deleted, but not by tag.
    DockerHub,
    /// Docker Hub as it was seen as late as 2023: nothing can be deleted through the registry itself.
    DockerHubKeepingManifests,
}

impl Profile {
    /// Its rules, in their order.
    pub fn rules(self) -> Vec<Rule> {
        let manifests = Rule::on(Kind::ManifestDelete);
        let both = Rule::on_any(&[Kind::ManifestDelete, Kind::BlobDelete]);
        match self {
            Self::Ghcr => vec![
                both.named("ghcr deletes nothing").answer(unsupported()),
                Rule::on(Kind::UploadAppend)
                    .chunk_over(GHCR_CHUNK_MAX_BYTES)
                    .named("ghcr takes small chunks only")
                    .answer(chunk_too_large()),
            ],
            Self::DockerHub => {
                vec![manifests.any_tag().named("docker hub deletes by digest only").answer(unsupported())]
            }
            Self::DockerHubKeepingManifests => {
                vec![both.named("docker hub deletes nothing").answer(unsupported())]
            }
        }
    }
}

fn unsupported() -> Answer {
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "The operation is unsupported.")
}

fn chunk_too_large() -> Answer {
    let message = "the provided range exceeds the maximum permissible limit of 4.00MiB";
    Answer::error(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message)
}
