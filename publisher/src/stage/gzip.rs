//! A layer compressed once: in parallel, in flat memory, to the same bytes on every machine.
//!
//! The layer is cut into blocks of [`BLOCK`] bytes; each becomes a gzip member of its own, and the members follow each
//! other in order. RFC 1952, section 2.2, makes such a sequence one gzip file, and every container runtime reads it
//! (eStargz layers are made the same way). Neither the number of threads nor the pace of the reader changes a byte;
//! block size, level and backend are fixed here, because a different choice would give every layer a new digest.

use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};

use crate::oci::{Digest, digest_of_hash};

/// How many bytes of a layer go into one gzip member. Changing it changes every digest.
const BLOCK: usize = 1024 * 1024;
/// libdeflate's level. Changing it changes every digest. Level 1 makes layers as small as podman's own gzip does, in a
/// fraction of the time; level 6 would save 6 % of the bytes and take more than twice as long.
const LEVEL: i32 = 1;
/// How many blocks wait for each compressing thread, so that reading and compressing overlap.
const BLOCKS_WAITING: usize = 2;

/// A compressed layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compressed {
    /// SHA-256 over what was read.
    pub(super) diff_id: Digest,
    /// SHA-256 over what was written.
    pub(super) digest: Digest,
    /// Bytes written.
    pub(super) size: u64,
}

/// A block on its way through a compressing thread.
struct Job {
    block: Vec<u8>,
    done: SyncSender<io::Result<Vec<u8>>>,
}

/// Compresses all of `input` into `output` on so many threads. `progress` gets the bytes read so far, and can stop the work
/// with an error.
///
/// # Errors
/// Those of `input`, `output` and `progress`.
pub(super) fn compress(
    threads: usize,
    input: &mut dyn Read,
    output: &mut (dyn Write + Send),
    progress: &dyn Fn(u64) -> io::Result<()>,
) -> io::Result<Compressed> {
    thread::scope(|scope| {
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (jobs, todo) = sync_channel(BLOCKS_WAITING);
            scope.spawn(move || work(&todo));
            workers.push(jobs);
        }
        // The results in the order of their blocks.
        let (ordered, results) = sync_channel::<Receiver<io::Result<Vec<u8>>>>(threads * BLOCKS_WAITING);
        let writer = scope.spawn(move || {
            let (mut hash, mut size) = (Sha256::new(), 0);
            for result in results {
                let member = result.recv().map_err(|_| io::Error::other("a compressing thread died"))??;
                hash.update(&member);
                size += member.len() as u64;
                output.write_all(&member)?;
            }
            output.flush()?;
            Ok((digest_of_hash(hash), size))
        });
        let read = read_blocks(input, &workers, &ordered, progress);
        drop((workers, ordered));
        let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the compressing thread died")));
        let diff_id = read?;
        let (digest, size) = written?;
        Ok(Compressed { diff_id, digest, size })
    })
}

/// Reads, hashes and hands out the blocks in turn; stops early without an error when the writer has failed, whose own
/// error is returned.
fn read_blocks(
    input: &mut dyn Read,
    workers: &[SyncSender<Job>],
    ordered: &SyncSender<Receiver<io::Result<Vec<u8>>>>,
    progress: &dyn Fn(u64) -> io::Result<()>,
) -> io::Result<Digest> {
    let (mut hash, mut read) = (Sha256::new(), 0);
    for worker in workers.iter().cycle() {
        let mut block = Vec::with_capacity(BLOCK);
        input.take(BLOCK as u64).read_to_end(&mut block)?;
        // An empty layer still is one (empty) member.
        if block.is_empty() && read > 0 {
            break;
        }
        hash.update(&block);
        read += block.len() as u64;
        progress(read)?;
        let last = block.len() < BLOCK;
        let (done, result) = sync_channel(1);
        if worker.send(Job { block, done }).is_err() || ordered.send(result).is_err() || last {
            break;
        }
    }
    Ok(digest_of_hash(hash))
}

fn work(todo: &Receiver<Job>) {
    let mut compressor = match CompressionLvl::new(LEVEL) {
        Ok(level) => Compressor::new(level),
        Err(_) => unreachable!("the level is a constant that libdeflate knows"),
    };
    for Job { block, done } in todo {
        let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
        let result = compressor.gzip_compress(&block, &mut member).map_err(io::Error::other).map(|length| {
            member.truncate(length);
            member
        });
        // The receiver is gone when the writer has failed.
        let _ = done.send(result);
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::oci::digest_of;

    /// Bytes that compress somewhat, the same in every run.
    fn sample(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..length).map(|_| random.u8(0..16)).collect()
    }

    fn compressed(threads: usize, input: &[u8]) -> (Compressed, Vec<u8>) {
        let mut output = Vec::new();
        let result = compress(threads, &mut &*input, &mut output, &|_| Ok(())).unwrap();
        (result, output)
    }

    #[rstest::rstest]
    #[case(0)]
    #[case(1)]
    #[case(BLOCK - 1)]
    #[case(BLOCK)]
    #[case(BLOCK + 1)]
    #[case(5 * BLOCK + 17)]
    fn a_layer_is_decompressed_to_the_same_bytes_and_the_digests_are_right(#[case] length: usize) {
        let input = sample(length);
        let (result, output) = compressed(3, &input);
        let mut back = Vec::new();
        MultiGzDecoder::new(&*output).read_to_end(&mut back).unwrap();
        // Digests say as much as the bytes would, in one line.
        assert_eq!(digest_of(&back), digest_of(&input));
        assert_eq!(
            result,
            Compressed { diff_id: digest_of(&input), digest: digest_of(&output), size: output.len() as u64 }
        );
    }

    #[test]
    fn threads_and_small_reads_change_no_byte() {
        /// Gives its bytes in small, uneven parts.
        struct SmallReads<'a>(&'a [u8], fastrand::Rng);
        impl Read for SmallReads<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = self.1.usize(1..70_000).min(buffer.len());
                self.0.read(&mut buffer[..length])
            }
        }
        let input = sample(3 * BLOCK + 5);
        let expected = compressed(1, &input);
        let mut output = Vec::new();
        let mut input_in_parts = SmallReads(&input, fastrand::Rng::with_seed(1));
        let result = compress(4, &mut input_in_parts, &mut output, &|_| Ok(())).unwrap();
        assert_eq!((result, digest_of(&output)), (expected.0, digest_of(&expected.1)));
    }

    #[test]
    fn the_bytes_are_pinned() {
        // Were this to change, every layer would be sent again by everybody.
        let (result, _) = compressed(2, &sample(2 * BLOCK));
        insta::assert_snapshot!(result.digest, @"sha256:ff2bc0fa121cf2e186f6706b1d09dbf02470b71ff03634561764c0cadcea58cf");
    }

    #[test]
    fn a_full_disk_ends_it_with_its_own_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let input = sample(20 * BLOCK);
        let error = compress(2, &mut &*input, &mut Full, &|_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn an_unreadable_input_ends_it_with_its_own_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let error = compress(2, &mut Broken, &mut Vec::new(), &|_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
