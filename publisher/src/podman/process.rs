//! A child process with a process group of its own, and the lines that it prints.

use std::{
    collections::VecDeque,
    io,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::group::Group;

/// How long a pipe is still read once the child has ended: a helper that it left behind may hold it open for ever.
const PIPE_GRACE: Duration = Duration::from_secs(2);
/// How much is read from a pipe at once, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// How much of one line is kept, in bytes.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// How many of the last lines are kept for an error.
const TAIL_LINES_MAX: usize = 20;

/// Runs a command to its end and hands on what it prints: the bytes of stdout where that is piped to this process, the
/// lines of stderr. Dropping the future ends the command, and blocks until it has ended.
///
/// # Errors
/// When the command cannot be started or waited for. How it ended is in the status.
pub(super) async fn run(
    command: Command,
    mut on_stdout: impl FnMut(&[u8]) + Send,
    mut on_stderr: impl FnMut(String) + Send,
) -> io::Result<ExitStatus> {
    let mut command = tokio::process::Command::from(command);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()?;
    // It holds an end of the caller's pipe, whose reader waits for the last end to be closed.
    drop(command);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut lines = Lines::default();
    let mut take_lines = |bytes: &[u8]| lines.push(bytes, &mut on_stderr);
    let status = {
        let reading = async { tokio::join!(read(stdout, &mut on_stdout), read(stderr, &mut take_lines)) };
        tokio::pin!(reading);
        // Dropped before the pipes are: a podman that cannot write any more would die of that and clean nothing up.
        let mut group = Group::led_by(child.id());
        let mut is_read = false;
        let status = loop {
            tokio::select! {
                _ = &mut reading, if !is_read => is_read = true,
                status = child.wait() => break status,
            }
        };
        group.disarm();
        if !is_read {
            let _ = tokio::time::timeout(PIPE_GRACE, reading).await;
        }
        status
    };
    lines.finish(&mut on_stderr);
    status
}

/// Reads to the end; a pipe that breaks has ended.
async fn read(pipe: Option<impl AsyncRead + Unpin>, take: &mut (impl FnMut(&[u8]) + Send)) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        take(&buffer[..length]);
    }
}

/// Cuts a stream of bytes into lines of text; what is not UTF-8 is replaced, empty lines are left out.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    /// Takes more bytes and hands on each line that they complete.
    pub(super) fn push(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(String)) {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, is_complete) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = LINE_BYTES_MAX - self.partial.len();
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            self.is_cut |= text.len() > room;
            if is_complete {
                self.finish(on_line);
            }
        }
    }

    /// Hands on what is left without an end of line.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(String)) {
        let bytes = std::mem::take(&mut self.partial);
        // A progress line overwrites itself after each carriage return: the last part is what a terminal shows.
        let shown = bytes.split(|&b| b == b'\r').rfind(|part| !part.is_empty()).unwrap_or_default();
        let mut line = String::from_utf8_lossy(shown).into_owned();
        if std::mem::take(&mut self.is_cut) {
            line.push('…');
        }
        if !line.trim().is_empty() {
            on_line(line);
        }
    }
}

/// The last lines that a child printed.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == TAIL_LINES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    /// Why podman failed: its last line that begins with `Error:`, without that word, else its last line, else how it
    /// ended.
    pub(super) fn cause(&self, status: ExitStatus) -> String {
        let error = self.0.iter().filter_map(|line| line.strip_prefix("Error: ")).next_back();
        error.or(self.0.back().map(String::as_str)).map_or_else(|| status.to_string(), str::to_owned)
    }

    /// Whether a line contains this text, which is given in lower case.
    pub(super) fn contains(&self, lower_case: &str) -> bool {
        self.0.iter().any(|line| line.to_lowercase().contains(lower_case))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, &mut |line| seen.push(line));
        }
        lines.finish(&mut |line| seen.push(line));
        seen
    }

    #[rstest::rstest]
    #[case(&[&b"one\ntwo\n"[..]], &["one", "two"])]
    #[case(&[&b"on"[..], &b"e\ntw"[..], &b"o"[..]], &["one", "two"])]
    #[case(&[&b"\n\n  \nend"[..]], &["end"])]
    #[case(&[&b"10%\r50%\r100%\r\n"[..]], &["100%"])]
    #[case(&[&b"caf\xc3"[..], &b"\xa9\n\xff!\n"[..]], &["café", "\u{fffd}!"])]
    fn bytes_become_lines_however_they_arrive(#[case] chunks: &[&[u8]], #[case] lines: &[&str]) {
        assert_eq!(cut(chunks), lines);
    }

    #[test]
    fn a_line_is_kept_up_to_its_limit_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let lines = cut(&[&long, &long, b"\nnext\n", &long[1..], b"\n"]);
        assert_eq!(
            lines.iter().map(|line| line.chars().count()).collect::<Vec<_>>(),
            [LINE_BYTES_MAX + 1, 4, LINE_BYTES_MAX]
        );
        assert!(lines[0].ends_with('…'));
    }

    #[test]
    fn the_tail_forgets_the_oldest_lines_and_finds_the_cause() {
        let status = ExitStatus::from_raw(7 << 8);
        let mut tail = Tail::default();
        assert_eq!(tail.cause(status), "exit status: 7");
        (0..=TAIL_LINES_MAX).for_each(|n| tail.push(n.to_string()));
        assert_eq!((tail.cause(status).as_str(), tail.0.len()), ("20", TAIL_LINES_MAX));
        assert!(tail.contains("1") && !tail.0.contains(&"0".to_owned()));
        tail.push("Error: building at STEP 2".into());
        tail.push("a warning after it".into());
        assert_eq!(tail.cause(status), "building at STEP 2");
        assert!(tail.contains("at step") && !tail.contains("nothing"));
    }
}
