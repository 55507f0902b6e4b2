//! An image's layers out of podman, through a pipe.

use std::{
    io::{self, BufReader, PipeReader, PipeWriter, Read},
    os::{fd::AsFd, unix::process::CommandExt as _},
    process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, Sender},
};

use bytes::Bytes;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, pidfd_open},
};

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

/// Tells a thread that its work is not wanted any more. An export notices at once, also while it waits for podman.
#[derive(Debug)]
pub struct Stop(PipeReader);

impl Stop {
    /// Set as soon as the other half is dropped.
    ///
    /// # Errors
    /// When this process has too many files open.
    pub fn new() -> io::Result<(PipeWriter, Self)> {
        io::pipe().map(|(reader, writer)| (writer, Self(reader)))
    }

    /// Whether nobody wants the work any more.
    pub fn is_set(&self) -> bool {
        let mut ends = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut ends, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|over| over > 0)
    }

    /// Waits until something can be read.
    ///
    /// # Errors
    /// When nobody wants the work any more.
    fn wait_for(&self, source: impl AsFd) -> io::Result<()> {
        let mut ends = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(&source, PollFlags::IN)];
        while let Err(error) = poll(&mut ends, None) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        if ends[0].revents().is_empty() { Ok(()) } else { Err(io::Error::other("the run was given up")) }
    }
}

/// podman's output; ends with an error when nobody wants it any more.
struct Output<'a> {
    pipe: ChildStdout,
    stop: &'a Stop,
}

impl Read for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.wait_for(&self.pipe)?;
        self.pipe.read(buffer)
    }
}

impl Podman {
    /// Hands each different layer of an image to `take`, lowest first, and returns the configuration's exact bytes;
    /// nothing is returned when `take` wanted no more before they came. Blocks; memory stays flat, no file is written.
    ///
    /// The configuration comes after all layers, so who does not want them all gets it from [`Podman::config`].
    /// A layer's bytes are not compared with its `diff_id` here: `take` reads them anyway.
    ///
    /// # Errors
    /// podman does not have the image or fails on the way; `take` fails; nobody wants it any more.
    pub fn export(&self, id: &ImageId, stop: &Stop, take: &mut TakeLayer<'_>) -> Result<Option<Bytes>, PodmanError> {
        let (mut saving, pipe) = Saving::start(self, id)?;
        let mut stdout = BufReader::with_capacity(READ_BYTES, Output { pipe, stop });
        let result = archive::read(&mut stdout, id, take);
        if let Ok(None) | Err(ArchiveError::Taker(_)) = result {
            saving.stop();
            return result.map_err(error);
        }
        // Were the pipe closed with something in it, podman would fail because of that.
        let _ = io::copy(&mut stdout, &mut io::sink());
        saving.finish(stop)?;
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
        let mut child = podman
            .command()
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

    fn finish(mut self, stop: &Stop) -> Result<(), PodmanError> {
        let process = rustix::process::Pid::from_child(&self.child);
        if let Ok(process) = pidfd_open(process, PidfdFlags::empty())
            && let Err(error) = stop.wait_for(process)
        {
            self.stop();
            return Err(PodmanError::Archive(error));
        }
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

    /// Never set.
    fn never() -> Stop {
        let (keep, stop) = Stop::new().unwrap();
        std::mem::forget(keep);
        stop
    }

    #[test]
    fn an_image_is_streamed_out_of_podman() {
        let (folder, podman) = fake_podman("echo \"$@\" >\"$here/call\"; cat \"$here/archive\"");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let mut sizes = Vec::new();
        let config = podman.export(&id(), &never(), &mut |_, size, content| {
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
        assert_eq!(podman.export(&id(), &never(), &mut |_, _, _| Ok(ControlFlow::Break(()))).unwrap(), None);
        let failed = podman.export(&id(), &never(), &mut |_, _, _| Err(io::Error::other("full")));
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
        let error = podman.export(&id(), &never(), take).unwrap_err();
        assert_eq!(error.to_string(), "`podman save` failed: disk gone");
    }

    #[test]
    fn a_podman_that_is_pleased_with_half_an_archive_is_not_believed() {
        let (folder, podman) = fake_podman("head -c 50000 \"$here/archive\"");
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let error = podman.export(&id(), &never(), &mut |_, _, _| Ok(ControlFlow::Continue(()))).unwrap_err();
        assert!(matches!(error, PodmanError::Archive(_)), "{error:?}");
    }

    /// Each of these podmans would go on for longer than the test may.
    #[rstest::rstest]
    #[case::before_its_first_byte("mkfifo \"$here/f\"; : >\"$here/ready\"; exec cat \"$here/f\"")]
    #[case::within_a_layer("head -c 50000 \"$here/archive\"; : >\"$here/ready\"; exec sleep 1000")]
    #[case::after_its_last_byte("cat \"$here/archive\"; exec >&-; : >\"$here/ready\"; exec sleep 1000")]
    fn an_export_that_nobody_wants_any_more_does_not_wait_for_podman(#[case] behaviour: &str) {
        let (folder, podman) = fake_podman(behaviour);
        std::fs::write(folder.path().join("archive"), archive()).unwrap();
        let ready = folder.path().join("ready");
        let (keep, stop) = Stop::new().unwrap();
        let export = std::thread::spawn(move || {
            podman.export(&id(), &stop, &mut |_, _, content| {
                io::copy(content, &mut io::sink())?;
                Ok(ControlFlow::Continue(()))
            })
        });
        while !ready.exists() {
            std::thread::yield_now();
        }
        drop(keep);
        let error = export.join().unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("the run was given up"), "{error:?}");
    }
}
