//! One child process with a group of its own.

use std::{
    io,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::group::Group;

/// How long a pipe is still read once the child is gone: a helper that it left behind may hold it open for ever.
pub(super) const PIPE_GRACE: Duration = Duration::from_secs(2);
/// How much is read from a pipe at once, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// Runs a command to its end and hands on what it prints. Dropping the future ends the command, and blocks until then.
///
/// # Errors
/// When the command cannot be started or waited for. How it ended is in the status.
pub(super) async fn run(
    command: Command,
    mut on_stdout: impl FnMut(&[u8]) + Send,
    mut on_stderr: impl FnMut(&[u8]) + Send,
) -> io::Result<ExitStatus> {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async { tokio::join!(pump(stdout, &mut on_stdout), pump(stderr, &mut on_stderr)) };
    tokio::pin!(reading);
    // Dropped before the pipes are: a podman that cannot write any more would die of that and clean nothing up.
    let mut group = Group::led_by(child.id());

    let mut drained = false;
    let status = loop {
        tokio::select! {
            _ = &mut reading, if !drained => drained = true,
            status = child.wait() => break status,
        }
    };
    group.disarm();
    if !drained {
        let _ = tokio::time::timeout(PIPE_GRACE, reading).await;
    }
    status
}

/// Reads to the end; a pipe that breaks has ended.
async fn pump(pipe: Option<impl AsyncRead + Unpin>, take: &mut (impl FnMut(&[u8]) + Send)) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        take(&buffer[..read]);
    }
}
