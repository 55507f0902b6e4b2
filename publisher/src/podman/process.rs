//! A child process with a process group of its own, the lines that it prints, and how the group is ended.
//!
//! podman runs a `RUN` step through a helper in its own group, and the kernel kills that helper when podman is gone. The
//! step's processes, in a session of their own, are then left over. If the helper gets a signal while podman lives, it ends
//! the step, and podman removes its working container and fails. So a group is signalled from its leaves up.

use std::{
    collections::{HashSet, VecDeque},
    fs, io,
    pin::pin,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use futures::future::{Either, join, select};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    time::timeout,
};

/// How long a pipe is still read once the child has ended: a helper that it left behind may hold it open for ever.
const PIPE_GRACE: Duration = Duration::from_secs(2);
/// How much of a line is handed on at once, in bytes. A longer line comes in parts.
const LINE_BYTES_MAX: u64 = 8 * 1024;
/// How many of the last lines are kept for an error.
const TAIL_LINES_MAX: usize = 20;
/// How long a group may take to end before it is killed. A cancelled job of GitHub has 10 seconds in all.
const STOP_MAX: Duration = Duration::from_secs(4);
/// How long processes whose children have ended may take to end by themselves before they get a signal as well.
const LEVEL_MAX: Duration = Duration::from_secs(1);
/// How often it is checked whether the group has ended. podman takes a tenth of a second.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Runs a command to its end and hands on the lines that it prints, with their ends: those of stdout where that is piped to
/// this process, and those of stderr. Dropping the future ends the command, and blocks until it has ended.
///
/// # Errors
/// When the command cannot be started or waited for. How it ended is in the status.
pub(super) async fn run(
    command: Command,
    on_stdout: impl FnMut(&[u8]) + Send,
    on_stderr: impl FnMut(&[u8]) + Send,
) -> io::Result<ExitStatus> {
    let mut command = tokio::process::Command::from(command);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()?;
    // It holds an end of the caller's pipe, whose reader waits for the last end to be closed.
    drop(command);
    let reading = pin!(join(read(child.stdout.take(), on_stdout), read(child.stderr.take(), on_stderr)));
    // Dropped before the pipes are: a podman that cannot write any more would die of that and clean nothing up.
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).map(Group);
    let (status, unread) = match select(reading, pin!(child.wait())).await {
        Either::Left((_, wait)) => (wait.await, None),
        Either::Right((status, reading)) => (status, Some(reading)),
    };
    // The leader has been waited for, so that another process may get its number.
    std::mem::forget(group);
    if let Some(reading) = unread {
        let _ = timeout(PIPE_GRACE, reading).await;
    }
    status
}

/// Reads to the end; a pipe that breaks has ended.
async fn read(pipe: Option<impl AsyncRead + Unpin>, mut on_line: impl FnMut(&[u8])) {
    let Some(pipe) = pipe else { return };
    let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
    while let Ok(1..) = (&mut pipe).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
        on_line(&line);
        line.clear();
    }
}

/// A line as a terminal shows it; [`None`] if it is empty. What is not UTF-8 is replaced.
pub(super) fn shown(line: &[u8]) -> Option<String> {
    // A progress line overwrites itself after each carriage return.
    let last = line.split(|byte| matches!(byte, b'\r' | b'\n')).rfind(|part| !part.trim_ascii().is_empty())?;
    Some(String::from_utf8_lossy(last).into_owned())
}

/// The last lines that a child printed.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: &[u8]) {
        self.0.extend(shown(line));
        if self.0.len() > TAIL_LINES_MAX {
            self.0.pop_front();
        }
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

/// A child's process group, by the number of its leader; it is ended when this is dropped.
struct Group(Pid);

impl Drop for Group {
    /// Ends the group and what it started outside of it; blocks until that is done. The leader has not been waited for
    /// yet, so no other process has its number.
    fn drop(&mut self) {
        let leader = self.0;
        let mut processes = Process::all();
        let outside = started_outside(&processes, leader);
        let (deadline, mut next_signal) = (Instant::now() + STOP_MAX, Instant::now());
        while processes.iter().any(|process| process.group == Some(leader)) && Instant::now() < deadline {
            if Instant::now() >= next_signal {
                for leaf in leaves(&processes, leader) {
                    let _ = kill_process(leaf, Signal::TERM);
                }
                next_signal = Instant::now() + LEVEL_MAX;
            }
            thread::sleep(POLL_INTERVAL);
            processes = Process::all();
        }
        // Only processes that ignore the signal are left to be killed.
        let _ = kill_process_group(leader, Signal::KILL);
        for process in processes.iter().filter(|process| outside.contains(&(process.id, process.started))) {
            let _ = kill_process(process.id, Signal::KILL);
        }
    }
}

/// A living process of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: Pid,
    parent: Option<Pid>,
    group: Option<Pid>,
    /// When it started, in clock ticks since the system did.
    started: u64,
}

impl Process {
    /// All processes; none on a system without `/proc`.
    fn all() -> Vec<Self> {
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
        let stats = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        stats.filter_map(|stat| Self::parse(&stat)).collect()
    }

    /// Reads `/proc/<id>/stat` (`proc_pid_stat(5)`): `id (name) state parent group …`, where a name may hold anything. A
    /// process that has ended and was not waited for is left out. One that is about to end has the group -1.
    fn parse(stat: &str) -> Option<Self> {
        let pid = |text: &str| Pid::from_raw(text.parse().ok().filter(|number| *number > 0)?);
        let (id, rest) = (stat.split_once(' ')?.0, stat.rsplit_once(") ")?.1);
        let fields: Vec<_> = rest.split(' ').collect();
        let [state, parent, group, ..] = fields[..] else { return None };
        let started = fields.get(19)?.parse().ok()?;
        let is_alive = !matches!(state, "Z" | "X");
        is_alive.then_some(Self { id: pid(id)?, parent: pid(parent), group: pid(group), started })
    }
}

/// The processes of a group that have no child in it.
fn leaves(processes: &[Process], leader: Pid) -> Vec<Pid> {
    let members = || processes.iter().filter(|process| process.group == Some(leader));
    let parents: HashSet<_> = members().filter_map(|process| process.parent).collect();
    members().map(|process| process.id).filter(|id| !parents.contains(id)).collect()
}

/// The processes that a group started, directly or not, and that left it. With the time of their start, because a number
/// may pass to another process.
fn started_outside(processes: &[Process], leader: Pid) -> HashSet<(Pid, u64)> {
    let members = processes.iter().filter(|process| process.group == Some(leader));
    let mut family: HashSet<_> = members.map(|process| process.id).collect();
    let mut outside = HashSet::new();
    while let Some(child) = processes
        .iter()
        .find(|process| !family.contains(&process.id) && process.parent.is_some_and(|parent| family.contains(&parent)))
    {
        family.insert(child.id);
        outside.insert((child.id, child.started));
    }
    outside
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    /// The lines that a shell script prints, and what is kept of them.
    async fn printed(script: &str) -> (Vec<u8>, Vec<String>) {
        let (mut bytes, mut lines) = (Vec::new(), Vec::new());
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let on_line = |line: &[u8]| {
            bytes.extend_from_slice(line);
            lines.extend(shown(line));
        };
        assert!(run(command, on_line, |_| ()).await.unwrap().success());
        (bytes, lines)
    }

    #[rstest::rstest]
    #[case("one\\ntwo\\n", &["one", "two"])]
    #[case("one\\ntwo", &["one", "two"])]
    #[case("\\n\\n  \\nend", &["end"])]
    #[case("10%%\\r50%%\\r100%%\\r\\n", &["100%"])]
    #[case("caf\\303\\251\\n\\377!\\n", &["café", "\u{fffd}!"])]
    #[tokio::test]
    async fn lines_are_handed_on_as_a_terminal_shows_them(#[case] text: &str, #[case] lines: &[&str]) {
        assert_eq!(printed(&format!("printf '{text}'")).await.1, lines);
    }

    #[tokio::test]
    async fn a_long_line_comes_in_parts() {
        let (bytes, lines) = printed("printf '%9000s\\nnext\\n' x").await;
        // All of the first part is blank.
        assert_eq!((bytes.len(), lines.len()), (9006, 2));
        assert_eq!(lines, [" ".repeat(807) + "x", "next".into()]);
    }

    #[test]
    fn the_tail_forgets_the_oldest_lines_and_finds_the_cause() {
        let status = ExitStatus::from_raw(7 << 8);
        let mut tail = Tail::default();
        assert_eq!(tail.cause(status), "exit status: 7");
        (0..=TAIL_LINES_MAX).for_each(|n| tail.push(n.to_string().as_bytes()));
        assert_eq!((tail.cause(status).as_str(), tail.0.len()), ("20", TAIL_LINES_MAX));
        assert!(tail.contains("1") && !tail.0.contains(&"0".to_owned()));
        tail.push(b"Error: building at STEP 2\n");
        tail.push(b"a warning after it\n");
        assert_eq!(tail.cause(status), "building at STEP 2");
        assert!(tail.contains("at step") && !tail.contains("nothing"));
    }

    fn pid(id: i32) -> Pid {
        Pid::from_raw(id).unwrap()
    }

    #[rstest::rstest]
    #[case("7 (podman) S 1 5", Some((7, 1, 5)))]
    #[case("7 (a) R 9 9) S 1 5", Some((7, 1, 5)))]
    #[case("7 (podman) Z 1 5", None)]
    #[case("7 (podman) R 0 -1", Some((7, 0, 0)))]
    fn a_process_is_read_unless_it_has_ended(#[case] stat: &str, #[case] process: Option<(i32, i32, i32)>) {
        let stat = format!("{stat} 5 0 -1 4194560 3 0 0 0 1 0 0 0 20 0 1 0 86400 8192");
        let process = process.map(|(id, parent, group)| Process {
            id: pid(id),
            parent: Pid::from_raw(parent),
            group: Pid::from_raw(group),
            started: 86400,
        });
        assert_eq!(Process::parse(&stat), process);
    }

    #[rstest::rstest]
    #[case("7 (podman) S")]
    #[case("7 (podman) S 1 5 5 0 -1")]
    #[case("")]
    fn a_line_that_breaks_off_is_no_process(#[case] stat: &str) {
        assert_eq!(Process::parse(stat), None);
    }

    /// 2 leads a group with 3, 4 and 5; 6 and its child 7 left it; 8 has nothing to do with it.
    fn processes() -> [Process; 7] {
        [(2, 1, 2), (3, 2, 2), (4, 3, 2), (5, 2, 2), (6, 5, 6), (7, 6, 6), (8, 1, 8)].map(|(id, parent, group)| {
            Process { id: pid(id), parent: Some(pid(parent)), group: Some(pid(group)), started: 100 }
        })
    }

    #[test]
    fn leaves_have_no_children_in_the_group() {
        assert_eq!(leaves(&processes(), pid(2)), [pid(4), pid(5)]);
    }

    #[test]
    fn what_left_the_group_is_found_with_its_children() {
        assert_eq!(started_outside(&processes(), pid(2)), HashSet::from([(pid(6), 100), (pid(7), 100)]));
    }
}
