//! Where GHCR and Docker Hub differ from distribution: standing rules, which need not fire.

use hyper::StatusCode;

use super::{answer::Answer, rule::Rule};
use crate::history::Kind;

/// The largest chunk that GHCR accepts.
const GHCR_CHUNK_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A public registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// GHCR: nothing can be deleted through the registry itself, and chunks are small.
    Ghcr,
    /// Docker Hub: manifests can be deleted, but not by tag.
    DockerHub,
}

impl Profile {
    /// Its rules, in their order.
    pub fn rules(self) -> Vec<Rule> {
        match self {
            Self::Ghcr => vec![
                Rule::on_any(&[Kind::ManifestDelete, Kind::BlobDelete])
                    .named("ghcr deletes nothing")
                    .answer(unsupported()),
                Rule::on(Kind::UploadAppend)
                    .chunk_over(GHCR_CHUNK_MAX_BYTES)
                    .named("ghcr takes small chunks only")
                    .answer(chunk_too_large()),
            ],
            Self::DockerHub => vec![
                Rule::on(Kind::ManifestDelete)
                    .any_tag()
                    .named("docker hub deletes by digest only")
                    .answer(unsupported()),
            ],
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
