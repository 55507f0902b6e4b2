//! A layer on its way from the registry to a temporary file, hashed as it comes and hashed as it unpacks.

use std::{
    fs::File,
    io::{self, Cursor, Read, Write as _},
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use reqwest::Response;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{self, Receiver};

use crate::look::{LayerContent, LookError, Looker, raw::written};

/// Into how many bytes a layer may unpack.
const UNPACKED_BYTES_MAX: u64 = 32 << 30;
/// How many pieces of the network's wait for the one that unpacks.
const PIECES_WAITING_MAX: usize = 16;
/// How many bytes are unpacked at once.
const STEP_BYTES: usize = 1 << 16;
/// How gzip begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How Zstandard begins (RFC 8878).
const ZSTANDARD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How many bytes tell what a layer is compressed with.
const MAGIC_BYTES: u64 = 4;

/// A layer that was read to its end.
#[derive(Debug)]
pub(in crate::look) struct Layered {
    /// What was found.
    pub(in crate::look) content: LayerContent,
    /// The archive that it unpacks to; of use only if there was no problem.
    pub(in crate::look) archive: File,
}

/// Reads a layer from an answer.
pub(in crate::look) async fn unpack(looker: &Looker, what: &str, mut answer: Response) -> Result<Layered, LookError> {
    let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    let unpacking = tokio::task::spawn_blocking(move || Unpacking::run(waiting));
    let received = loop {
        match looker.chunk(what, &mut answer).await {
            Ok(Some(piece)) => {
                // Nobody takes it any more: the disk is full, and `unpacking` says so.
                if pieces.send(piece).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(pieces);
    let layered = unpacking.await.map_err(io::Error::other)??;
    received.map(|()| layered)
}

/// The side that unpacks.
struct Unpacking {
    archive: File,
    diff: Sha256,
    size: u64,
}

impl Unpacking {
    fn run(pieces: Receiver<Bytes>) -> io::Result<Layered> {
        let mut source = Pieces { network: pieces, current: Bytes::new(), sum: Sha256::new(), size: 0 };
        let mut unpacking = Self { archive: tempfile::tempfile()?, diff: Sha256::new(), size: 0 };
        let mut magic = Vec::new();
        source.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
        let whole = Cursor::new(&magic).chain(&mut source);
        let problem = if magic.starts_with(ZSTANDARD) {
            Some("compressed with Zstandard, which is not looked into".to_owned())
        } else if magic.starts_with(GZIP) {
            unpacking.take_all(MultiGzDecoder::new(whole))?
        } else {
            unpacking.take_all(whole)?
        };
        // What comes after a flaw still counts for the digest.
        io::copy(&mut source, &mut io::sink())?;
        let diff_id = problem.is_none().then(|| written(&unpacking.diff.finalize()));
        let content = LayerContent { size: source.size, digest: written(&source.sum.finalize()), diff_id, problem };
        Ok(Layered { content, archive: unpacking.archive })
    }

    /// Keeps all that a source yields; why it cannot yield more, if it ends in a flaw. Errors are the disk's.
    fn take_all(&mut self, mut source: impl Read) -> io::Result<Option<String>> {
        let mut step = vec![0; STEP_BYTES];
        loop {
            let read = match source.read(&mut step) {
                Ok(0) => return Ok(None),
                Ok(read) => &step[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Some(format!("does not unpack: {error}"))),
            };
            self.size += read.len() as u64;
            if self.size > UNPACKED_BYTES_MAX {
                return Ok(Some(format!("unpacks to more than {UNPACKED_BYTES_MAX} bytes")));
            }
            self.diff.update(read);
            self.archive.write_all(read)?;
        }
    }
}

/// What comes from the network, hashed as it is read.
struct Pieces {
    network: Receiver<Bytes>,
    current: Bytes,
    sum: Sha256,
    size: u64,
}

impl Read for Pieces {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some(next) = self.network.blocking_recv() else { return Ok(0) };
            self.sum.update(&next);
            self.size += next.len() as u64;
            self.current = next;
        }
        let count = target.len().min(self.current.len());
        target[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}
