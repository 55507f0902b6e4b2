//! One upload in progress: a file that grows, hashed while it grows.

use std::{io, path::PathBuf};

use axum::body::Body;
use futures::StreamExt as _;
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt as _,
};

use super::digest::Hasher;

/// An upload.
#[derive(Debug)]
pub(super) struct Upload {
    /// The repository that it is for.
    pub(super) repository: String,
    /// Where its bytes are.
    pub(super) path: PathBuf,
    file: File,
    hasher: Hasher,
    size: u64,
}

/// How the body of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    Whole,
    /// The client went away, or sent nonsense.
    Broken,
}

impl Upload {
    /// An empty upload.
    pub(super) async fn new(repository: &str, path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).write(true).open(&path).await?;
        Ok(Self { repository: repository.to_owned(), path, file, hasher: Hasher::default(), size: 0 })
    }

    /// How many bytes have arrived.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The digest of what has arrived.
    pub(super) fn digest(&self) -> String {
        self.hasher.digest()
    }

    /// Adds what a request brings. What arrived before it broke off stays.
    pub(super) async fn append(&mut self, body: Body) -> io::Result<BodyEnd> {
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else { return Ok(BodyEnd::Broken) };
            self.file.write_all(&chunk).await?;
            self.hasher.update(&chunk);
            self.size += chunk.len() as u64;
        }
        // A file of tokio's writes behind; whoever reads it next must see all.
        self.file.flush().await?;
        Ok(BodyEnd::Whole)
    }
}
