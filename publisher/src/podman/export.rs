//! An image's layers out of podman, through a pipe.

use std::{
    io::{self, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, Sender},
};

use bytes::Bytes;

use super::{
    ImageId, Podman, PodmanError,
    archive::{self, ArchiveError, TakeLayer},
    group::Group,
    lines::{Lines, Tail},
    process::PIPE_GRACE,
};

const COMMAND: &str = "podman save";
/// How much is read from the pipe at once, in bytes: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

impl Podman {
    /// Hands each different layer of an image to `take`, lowest first, and returns the configuration's exact bytes;
    /// nothing is returned when `take` wanted no more before they came. Blocks; memory stays flat, no file is written.
    ///
    /// The configuration comes after all layers, so who does not want them all gets it from [`Podman::config`].
    /// A layer's bytes are not compared with its `diff_id` here: `take` reads them anyway.
    ///
    /// # Errors
    /// podman does not have the image or fails on the way; `take` fails.
    pub fn export(&self, id: &ImageId, take: &mut TakeLayer<'_>) -> Result<Option<Bytes>, PodmanError> {
        let (mut saving, stdout) = Saving::start(self, id)?;
        let mut stdout = BufReader::with_capacity(READ_BYTES, stdout);
        let result = archive::read(&mut stdout, id, take);
        if let Ok(None) | Err(ArchiveError::Taker(_)) = result {
            saving.stop();
            return result.map_err(error);
        }
        // Were the pipe closed with something in it, podman would fail because of that.
        let _ = io::copy(&mut stdout, &mut io::sink());
        saving.finish()?;
        result.map_err(error)
    }
}

fn error(error: ArchiveError) -> PodmanError {
    match error {
        ArchiveError::Broken(error) => PodmanError::Archive(error),
        ArchiveError::Taker(error) => PodmanError::Layer(error),
    }
}

/// A running `podman save`; ended when it is dropped.
struct Saving {
    child: Child,
    group: Group,
    stderr: Receiver<String>,
}

impl Saving {
    fn start(podman: &Podman, id: &ImageId) -> Result<(Self, ChildStdout), PodmanError> {
        let mut child = Command::new(&podman.program)
            .args(["save", "--quiet", "--format=docker-archive", &id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| podman.not_started(error))?;
        let group = Group::led_by(Some(child.id()));
        let (lines, stderr) = mpsc::channel();
        if let Some(pipe) = child.stderr.take() {
            std::thread::spawn(move || read_lines(pipe, &lines));
        }
        let stdout = child.stdout.take().ok_or_else(|| PodmanError::Archive(io::ErrorKind::BrokenPipe.into()))?;
        Ok((Self { child, group, stderr }, stdout))
    }

    /// Ends podman, which is not asked how it ended.
    fn stop(&mut self) {
        self.group.end();
        let _ = self.wait();
    }

    fn finish(mut self) -> Result<(), PodmanError> {
        let status = self.wait().map_err(PodmanError::Archive)?;
        if status.success() {
            return Ok(());
        }
        let tail: Tail = std::iter::from_fn(|| self.stderr.recv_timeout(PIPE_GRACE).ok()).collect();
        Err(PodmanError::Failed { command: COMMAND, status, tail })
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        self.group.disarm();
        status
    }
}

fn read_lines(mut pipe: ChildStderr, to: &Sender<String>) {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; READ_BYTES]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        // Nobody listens any more once an export was stopped.
        lines.push(&buffer[..read], &mut |line| _ = to.send(line));
    }
    lines.finish(&mut |line| _ = to.send(line));
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::podman::{
        archive::tests::{CONFIG, archive, id},
        fake::fake_podman,
    };

    #[test]
    fn an_image_is_streamed_out_of_podman() {
        let (folder, podman) = fake_podman("echo \"$@\" >\"$here/call\"; cat \"$here/archive\"");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let mut sizes = Vec::new();
        let config = podman.export(&id(), &mut |_, size, content| {
            io::copy(content, &mut io::sink())?;
            sizes.push(size);
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((config.unwrap().as_deref(), sizes), (Some(CONFIG), vec![100_000, 4]));
        let call = std::fs::read_to_string(folder.path().join("call")).unwrap();
        assert_eq!(call, format!("save --quiet --format=docker-archive {}\n", id()));
    }

    /// Without the signal the test would never end.
    #[test]
    fn podman_is_ended_when_no_more_is_wanted() {
        let (folder, podman) = fake_podman("mkfifo \"$here/$$\"; exec cat \"$here/archive\" \"$here/$$\"");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        assert_eq!(podman.export(&id(), &mut |_, _, _| Ok(ControlFlow::Break(()))).unwrap(), None);
        let failed = podman.export(&id(), &mut |_, _, _| Err(io::Error::other("full")));
        assert!(matches!(failed, Err(PodmanError::Layer(_))));
    }

    #[test]
    fn what_podman_says_wins_over_the_broken_archive_it_leaves() {
        let (folder, podman) = fake_podman("head -c 50000 \"$here/archive\"; echo 'Error: disk gone' >&2; exit 125");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let take: &mut TakeLayer<'_> = &mut |_, _, content| {
            io::copy(content, &mut io::sink())?;
            Ok(ControlFlow::Continue(()))
        };
        let error = podman.export(&id(), take).unwrap_err();
        assert_eq!(error.to_string(), "`podman save` failed: disk gone");
    }

    #[test]
    fn a_podman_that_is_pleased_with_half_an_archive_is_not_believed() {
        let (folder, podman) = fake_podman("head -c 50000 \"$here/archive\"");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let error = podman.export(&id(), &mut |_, _, _| Ok(ControlFlow::Continue(()))).unwrap_err();
        assert!(matches!(error, PodmanError::Archive(_)), "{error:?}");
    }
}
