//! An image's layers out of podman: the archive that `podman save --format docker-archive` writes, read as it comes.
//!
//! It is a tar file: each different layer once, uncompressed, as `<hex of its diff_id>.tar`, lowest first; then the
//! configuration as `<hex of the image id>.json`; then, for Docker before 1.10, links and small files in folders, and
//! `manifest.json`. Only plain files with these two kinds of names count.

use std::{
    io::{self, BufRead, BufReader, Read},
    ops::ControlFlow,
    pin::pin,
};

use bytes::Bytes;
use futures::future::{Either, select};
use tar::Archive;
use tokio::task::spawn_blocking;

use super::{Podman, PodmanError, process::Tail};
use crate::oci::{Digest, digest_of};

/// How much is read from the pipe at once, in bytes: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// How large a configuration may be, in bytes. Real ones have a few kilobytes.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl Podman {
    /// Hands each different layer of an image to `take`, lowest first, and returns the configuration's exact bytes;
    /// nothing is returned when `take` breaks off before they come. `take` gets the `diff_id` and the content, need not
    /// read it, runs on a thread of its own and may block. Memory stays flat, no file is written. Dropping the future
    /// ends podman, and with it the content that `take` reads.
    ///
    /// A layer's bytes are not compared with its `diff_id` here: `take` must do so.
    ///
    /// # Errors
    /// podman does not have the image or fails on the way; `take` fails.
    pub async fn save(
        &self,
        id: &Digest,
        take: impl FnMut(&Digest, &mut dyn Read) -> io::Result<ControlFlow<()>> + Send + 'static,
    ) -> Result<Option<Bytes>, PodmanError> {
        let (stdout, pipe) = io::pipe().map_err(PodmanError::Temporary)?;
        let mut command = self.command();
        command.args(["save", "--quiet", "--format=docker-archive", id.as_ref()]).stdout(pipe);
        let id = id.clone();
        let reading = spawn_blocking(move || {
            let mut archive = BufReader::with_capacity(READ_BYTES, stdout);
            let result = read(&mut archive, &id, take);
            let is_at_end = match &result {
                Ok(None) => false,
                // Were the pipe closed with something in it, podman would fail because of that.
                Ok(Some(_)) => io::copy(&mut archive, &mut io::sink()).is_ok(),
                Err(_) => archive.fill_buf().is_ok_and(<[u8]>::is_empty),
            };
            (result, is_at_end, archive)
        });
        let mut tail = Tail::default();
        let (read, status) = match select(pin!(self.run(command, |_| {}, |line| tail.push(line))), reading).await {
            Either::Left((status, reading)) => (reading.await, Some(status?)),
            // Where the rest of the archive is not read, podman is ended here.
            Either::Right((read, running)) => {
                let is_at_end = matches!(read, Ok((_, true, _)));
                (read, if is_at_end { Some(running.await?) } else { None })
            }
        };
        // A podman that cannot write any more would die of that and clean nothing up: the pipe is closed after it has ended.
        let (result, is_at_end, _pipe) = read.map_err(|error| PodmanError::Save(error.into()))?;
        // An archive that ends too soon has its reason here.
        if let Some(status) = status.filter(|status| is_at_end && !status.success()) {
            return Err(PodmanError::Failed { command: "save", reason: tail.cause(status) });
        }
        result.map_err(PodmanError::Save)
    }
}

/// Reads an archive up to and including the configuration, which it returns, or until `take` breaks off.
fn read(
    archive: impl Read,
    id: &Digest,
    mut take: impl FnMut(&Digest, &mut dyn Read) -> io::Result<ControlFlow<()>>,
) -> io::Result<Option<Bytes>> {
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        let name = std::str::from_utf8(&path).ok().and_then(|path| path.split_once('.'));
        let Some((stem, extension)) = name.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let Ok(digest) = format!("sha256:{stem}").parse() else { continue };
        if extension == "tar" && take(&digest, &mut entry)?.is_break() {
            return Ok(None);
        }
        if extension == "json" && digest == *id {
            let mut config = Vec::new();
            entry.take(CONFIG_BYTES_MAX).read_to_end(&mut config)?;
            if digest_of(&config) != digest {
                return Err(io::Error::other("the archive's configuration is not that of the image"));
            }
            return Ok(Some(config.into()));
        }
    }
    Err(io::Error::other("the archive holds no configuration"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tar::{Builder, EntryType, Header};
    use tempfile::TempDir;

    use super::*;
    use crate::podman::tests::fake_podman;

    const CONFIG: &[u8] = br#"{"os":"linux"}"#;
    const LOW: &[u8] = &[1; 100_000];
    const HIGH: &[u8] = b"high";

    fn id() -> Digest {
        digest_of(CONFIG)
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
    fn archive() -> Vec<u8> {
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

    /// A podman whose folder has the archive.
    fn podman_with_archive(behaviour: &str) -> (TempDir, Podman) {
        let (folder, podman) = fake_podman(behaviour);
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        (folder, podman)
    }

    /// Reads a layer, and fails where it is not the one that its name says.
    fn check(diff_id: &Digest, content: &mut dyn Read) -> io::Result<ControlFlow<()>> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        if digest_of(&bytes) == *diff_id {
            Ok(ControlFlow::Continue(()))
        } else {
            Err(io::Error::other("another layer"))
        }
    }

    #[test]
    fn layers_come_in_order_and_the_configuration_is_returned() {
        let mut layers = Vec::new();
        let config = read(&archive()[..], &id(), |diff_id, content| {
            layers.push(diff_id.clone());
            check(diff_id, content)
        });
        assert_eq!(config.unwrap().as_deref(), Some(CONFIG));
        assert_eq!(layers, [digest_of(LOW), digest_of(HIGH)]);
    }

    #[rstest::rstest]
    #[case(ControlFlow::Continue(()), 2)]
    #[case(ControlFlow::Break(()), 1)]
    fn a_layer_need_not_be_read(#[case] flow: ControlFlow<()>, #[case] expected: usize) {
        let mut seen = 0;
        let config = read(&archive()[..], &id(), |_, _| {
            seen += 1;
            Ok(flow)
        });
        assert_eq!((config.unwrap().is_some(), seen), (flow.is_continue(), expected));
    }

    #[rstest::rstest]
    #[case::within_the_first_header(100)]
    #[case::within_a_layer(50_000)]
    #[case::between_the_layers(512 + 100_352)]
    #[case::within_the_configuration(512 + 100_352 + 1024 + 512 + 3)]
    fn an_archive_that_ends_too_soon_is_an_error(#[case] length: usize) {
        assert!(read(&archive()[..length], &id(), check).is_err());
    }

    #[test]
    fn another_images_configuration_is_not_taken() {
        let mut tar = Builder::new(Vec::new());
        add(&mut tar, &name(CONFIG, "json"), b"forged");
        let error = read(&tar.into_inner().unwrap()[..], &id(), check).unwrap_err();
        assert_eq!(error.to_string(), "the archive's configuration is not that of the image");
    }

    #[tokio::test]
    async fn an_image_is_streamed_out_of_podman() {
        let (folder, podman) = podman_with_archive("echo \"$@\" >\"$here/call\"; cat \"$here/archive\"");
        assert_eq!(podman.save(&id(), check).await.unwrap().as_deref(), Some(CONFIG));
        let call = std::fs::read_to_string(folder.path().join("call")).unwrap();
        assert_eq!(call, format!("save --quiet --format=docker-archive {}\n", id()));
    }

    /// Without the signal the test would never end.
    #[tokio::test]
    async fn podman_is_ended_when_no_more_is_wanted() {
        let (_folder, podman) = podman_with_archive("mkfifo \"$here/$$\"; exec cat \"$here/archive\" \"$here/$$\"");
        assert_eq!(podman.save(&id(), |_, _| Ok(ControlFlow::Break(()))).await.unwrap(), None);
        let failed = podman.save(&id(), |_, _| Err(io::Error::other("full"))).await;
        assert!(matches!(failed, Err(PodmanError::Save(error)) if error.to_string() == "full"));
    }

    #[tokio::test]
    async fn podmans_own_error_is_reported_for_the_broken_archive_that_it_leaves() {
        let (_folder, podman) =
            podman_with_archive("head -c 50000 \"$here/archive\"; echo 'Error: disk gone' >&2; exit 125");
        let error = podman.save(&id(), check).await.unwrap_err();
        assert_eq!(error.to_string(), "`podman save` failed: disk gone");
    }

    #[tokio::test]
    async fn a_podman_that_succeeds_with_half_an_archive_is_not_believed() {
        let (_folder, podman) = podman_with_archive("head -c 50000 \"$here/archive\"");
        let error = podman.save(&id(), |_, _| Ok(ControlFlow::Continue(()))).await.unwrap_err();
        assert!(matches!(error, PodmanError::Save(_)), "{error:?}");
    }

    /// Each of these podmans would go on for longer than the test may.
    #[rstest::rstest]
    #[case::before_its_first_byte("mkfifo \"$here/f\"; : >\"$here/ready\"; exec cat \"$here/f\"")]
    #[case::within_a_layer("head -c 50000 \"$here/archive\"; : >\"$here/ready\"; exec sleep 1000")]
    #[case::after_its_last_byte("cat \"$here/archive\"; exec >&-; : >\"$here/ready\"; exec sleep 1000")]
    #[tokio::test]
    async fn a_dropped_save_does_not_wait_for_podman(#[case] behaviour: &str) {
        let (folder, podman) = podman_with_archive(behaviour);
        let saving = tokio::spawn(async move { podman.save(&id(), check).await });
        wait_for(&folder.path().join("ready")).await;
        saving.abort();
        assert!(saving.await.unwrap_err().is_cancelled());
    }

    async fn wait_for(file: &Path) {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    }
}
