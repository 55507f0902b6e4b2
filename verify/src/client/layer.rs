//! A layer on its way from the registry: hashed as it comes, unpacked, hashed again, and listed. Nothing of it is kept but
//! the names of its files and what kind of program each is, so memory stays flat.

use std::io::{self, Cursor, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use reqwest::Response;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{
    LayerContent,
    files::{self, Entries},
    raw::format_digest,
};

/// The largest size that a layer may unpack to.
const UNPACKED_BYTES_MAX: u64 = 32 << 30;
/// How gzip begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How Zstandard begins (RFC 8878).
const ZSTANDARD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How many bytes tell what a layer is compressed with.
const MAGIC_BYTES: u64 = 4;

/// A layer that was read to its end.
pub(super) struct ReadLayer {
    pub(super) content: LayerContent,
    /// Its files, or why its archive cannot be read. Meaningless if the content has a problem.
    pub(super) entries: io::Result<Entries>,
}

/// Reads a layer from an answer. Blocks: for a thread that may.
pub(super) fn read_layer(response: Response) -> Result<ReadLayer, reqwest::Error> {
    let body = Body { response, runtime: Handle::current(), chunk: Bytes::new(), failed: None };
    let mut packed = Hashed::new(body, u64::MAX);
    let mut magic = Vec::new();
    // An error stays in the body.
    let _ = packed.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic);
    let whole = Cursor::new(magic.clone()).chain(&mut packed);
    let (unpacked, entries) = if magic.starts_with(ZSTANDARD) {
        (Err("compressed with Zstandard, which is not looked into".to_owned()), Ok(Vec::new()))
    } else if magic.starts_with(GZIP) {
        unpack(MultiGzDecoder::new(whole))
    } else {
        unpack(whole)
    };
    // What comes after a flaw still counts for the digest.
    let _ = io::copy(&mut packed, &mut io::sink());
    if let Some(error) = packed.source.failed {
        return Err(error);
    }
    let (diff_id, problem) = match unpacked {
        Ok(digest) => (Some(digest), None),
        Err(problem) => (None, Some(problem)),
    };
    let content = LayerContent { size: packed.size, digest: format_digest(&packed.sum.finalize()), diff_id, problem };
    Ok(ReadLayer { content, entries })
}

/// Lists an archive and reads it to its end: its digest, or why it does not unpack.
fn unpack(source: impl Read) -> (Result<String, String>, io::Result<Entries>) {
    let mut source = Hashed::new(source, UNPACKED_BYTES_MAX);
    let entries = files::list(&mut source);
    // An error stays in the source.
    let _ = io::copy(&mut source, &mut io::sink());
    let digest = match source.failed {
        Some(problem) => Err(problem),
        None => Ok(format_digest(&source.sum.finalize())),
    };
    (digest, entries)
}

/// Hashes and counts what is read, and remembers the first error.
struct Hashed<R> {
    source: R,
    size: u64,
    size_max: u64,
    sum: Sha256,
    failed: Option<String>,
}

impl<R> Hashed<R> {
    fn new(source: R, size_max: u64) -> Self {
        Self { source, size: 0, size_max, sum: Sha256::new(), failed: None }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if let Some(problem) = &self.failed {
            return Err(io::Error::other(problem.clone()));
        }
        let read = self.source.read(target).inspect_err(|error| {
            self.failed = Some(format!("does not unpack: {error}"));
        })?;
        self.size += read as u64;
        self.sum.update(&target[..read]);
        if self.size > self.size_max {
            self.failed = Some(format!("unpacks to more than {} bytes", self.size_max));
        }
        Ok(read)
    }
}

/// The body of an answer, as a blocking reader.
struct Body {
    response: Response,
    runtime: Handle,
    chunk: Bytes,
    failed: Option<reqwest::Error>,
}

impl Read for Body {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.response.chunk()) {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the connection broke"));
                }
            }
        }
        let count = target.len().min(self.chunk.len());
        target[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
