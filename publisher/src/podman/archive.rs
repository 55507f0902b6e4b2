//! The archive that `podman save --format docker-archive` writes, read as it comes.
//!
//! It is a tar file: each different layer once, uncompressed, as `<hex of its diff_id>.tar`, lowest first; then the
//! configuration as `<hex of the image id>.json`; then, for Docker before 1.10, links and small files in folders, and
//! `manifest.json`. Only plain files with these two kinds of names count.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use bytes::Bytes;
use oci_spec::image::Digest;
use tar::{Archive, Entry};

use super::ImageId;
use crate::oci::digest_of;

/// How large a configuration may be, in bytes. Real ones have a few kilobytes.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Takes a layer: its `diff_id`, its size in bytes, its content, of which it need not read anything. `Break` says that
/// no further layer is wanted.
pub type TakeLayer<'a> = dyn FnMut(&Digest, u64, &mut dyn Read) -> io::Result<ControlFlow<()>> + 'a;

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum ArchiveError {
    /// The archive ends too soon or is no image's archive.
    Broken(io::Error),
    /// A layer's taker failed.
    Taker(io::Error),
}

/// Hands each layer on and returns the configuration, or nothing when the taker wanted no more.
pub(super) fn read(archive: impl Read, id: &ImageId, take: &mut TakeLayer<'_>) -> Result<Option<Bytes>, ArchiveError> {
    let mut config = None;
    for entry in Archive::new(archive).entries().map_err(ArchiveError::Broken)? {
        let mut entry = entry.map_err(ArchiveError::Broken)?;
        let more = match what(&entry) {
            Some(Part::Layer(diff_id)) => take_layer(&mut entry, &diff_id, take)?,
            Some(Part::Config(of)) if of == *id.digest() => {
                config = Some(read_config(&mut entry, id)?);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        };
        if more.is_break() {
            return Ok(None);
        }
    }
    config.map(Some).ok_or_else(|| broken("it holds no configuration"))
}

enum Part {
    Layer(Digest),
    Config(Digest),
}

fn what(entry: &Entry<'_, impl Read>) -> Option<Part> {
    if !entry.header().entry_type().is_file() {
        return None;
    }
    let path = entry.path_bytes();
    let (stem, extension) = std::str::from_utf8(&path).ok()?.split_once('.')?;
    let digest = format!("sha256:{stem}").parse().ok()?;
    match extension {
        "tar" => Some(Part::Layer(digest)),
        "json" => Some(Part::Config(digest)),
        _ => None,
    }
}

fn take_layer(
    entry: &mut Entry<'_, impl Read>,
    diff_id: &Digest,
    take: &mut TakeLayer<'_>,
) -> Result<ControlFlow<()>, ArchiveError> {
    let size = entry.size();
    let mut layer = Whole { content: entry, left: size, cut: false };
    take(diff_id, size, &mut layer)
        .map_err(|error| if layer.cut { ArchiveError::Broken(error) } else { ArchiveError::Taker(error) })
}

fn read_config(entry: &mut Entry<'_, impl Read>, id: &ImageId) -> Result<Bytes, ArchiveError> {
    let mut config = Vec::new();
    entry.take(CONFIG_BYTES_MAX).read_to_end(&mut config).map_err(ArchiveError::Broken)?;
    if digest_of(&config) == *id.digest() {
        Ok(config.into())
    } else {
        Err(broken("its configuration is not that of the image"))
    }
}

fn broken(what: &'static str) -> ArchiveError {
    ArchiveError::Broken(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// A reader that fails when its content ends before its size is reached: `tar` takes that for the end of the file.
struct Whole<R> {
    content: R,
    left: u64,
    cut: bool,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && !buffer.is_empty() && self.left > 0 {
            self.cut = true;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within a layer"));
        }
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tar::{Builder, EntryType, Header};

    use super::*;

    pub(in crate::podman) const CONFIG: &[u8] = br#"{"os":"linux"}"#;
    const LOW: &[u8] = &[1; 100_000];
    const HIGH: &[u8] = b"high";

    pub(in crate::podman) fn id() -> ImageId {
        digest_of(CONFIG).to_string().parse().unwrap()
    }

    fn add(tar: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        tar.append_data(&mut header, name, content).unwrap();
    }

    fn name(content: &[u8], extension: &str) -> String {
        format!("{}.{extension}", digest_of(content).digest())
    }

    /// As podman 5.8 writes it.
    pub(in crate::podman) fn archive() -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        add(&mut tar, &name(LOW, "tar"), LOW);
        add(&mut tar, &name(HIGH, "tar"), HIGH);
        add(&mut tar, &name(CONFIG, "json"), CONFIG);
        let mut link = Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "aa/layer.tar", format!("../{}", name(LOW, "tar"))).unwrap();
        add(&mut tar, "aa/VERSION", b"1.0");
        add(&mut tar, "aa/json", b"{}");
        add(&mut tar, "manifest.json", b"[]");
        add(&mut tar, "repositories", b"{}");
        tar.into_inner().unwrap()
    }

    type Layers = Vec<(Digest, Vec<u8>)>;

    fn everything(archive: &[u8]) -> Result<(Option<Bytes>, Layers), ArchiveError> {
        let mut layers = Vec::new();
        let config = read(archive, &id(), &mut |diff_id, size, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            assert_eq!(bytes.len() as u64, size);
            layers.push((diff_id.clone(), bytes));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((config, layers))
    }

    #[test]
    fn layers_come_in_order_and_the_configuration_is_returned() {
        let (config, layers) = everything(&archive()).unwrap();
        assert_eq!(config.as_deref(), Some(CONFIG));
        assert_eq!(layers, [(digest_of(LOW), LOW.to_vec()), (digest_of(HIGH), HIGH.to_vec())]);
    }

    #[test]
    fn a_layer_that_is_not_read_is_skipped() {
        let mut seen = 0;
        let config = read(&archive()[..], &id(), &mut |_, _, _| {
            seen += 1;
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((config.unwrap().as_deref(), seen), (Some(CONFIG), 2));
    }

    #[test]
    fn a_taker_that_has_all_it_wants_ends_the_reading() {
        let mut seen = 0;
        let config = read(&archive()[..], &id(), &mut |_, _, _| {
            seen += 1;
            Ok(ControlFlow::Break(()))
        });
        assert_eq!((config.unwrap(), seen), (None, 1));
    }

    #[test]
    fn a_taker_that_fails_is_told_apart_from_a_broken_archive() {
        let failed = read(&archive()[..], &id(), &mut |_, _, _| Err(io::Error::other("full")));
        assert!(matches!(failed, Err(ArchiveError::Taker(error)) if error.to_string() == "full"));
    }

    #[rstest::rstest]
    #[case::within_the_first_header(100)]
    #[case::within_a_layer(50_000)]
    #[case::between_the_layers(512 + 100_352)]
    #[case::within_the_configuration(512 + 100_352 + 1024 + 512 + 3)]
    fn an_archive_that_ends_too_soon_is_broken(#[case] length: usize) {
        assert!(matches!(everything(&archive()[..length]), Err(ArchiveError::Broken(_))));
    }

    #[test]
    fn another_images_configuration_is_not_taken() {
        let mut tar = Builder::new(Vec::new());
        add(&mut tar, &name(CONFIG, "json"), b"forged");
        let forged = tar.into_inner().unwrap();
        let Err(ArchiveError::Broken(error)) = everything(&forged) else { unreachable!("the digest does not agree") };
        assert_eq!(error.to_string(), "its configuration is not that of the image");
    }
}
