//! Whether processes are at rest: all of their threads wait, and none has used a processor for a while.
//!
//! There is no notice of when a process begins to wait, so `/proc` is read: the state and the processor time of each thread
//! (proc(5)).

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Pid;

/// The time between two readings.
const BETWEEN_READINGS: Duration = Duration::from_millis(2);
/// How many readings in a row must be equal.
const READINGS: usize = 3;

/// Whether the processes of some groups are at rest. If one ends meanwhile, they are not.
///
/// # Errors
/// A system without `/proc`.
pub async fn at_rest(groups: &[Pid]) -> io::Result<bool> {
    let members = members(groups)?;
    let Some(worked) = worked(&members) else { return Ok(false) };
    for _ in 1..READINGS {
        tokio::time::sleep(BETWEEN_READINGS).await;
        if self::worked(&members) != Some(worked) {
            return Ok(false);
        }
    }
    Ok(members.iter().all(|process| waits(process).unwrap_or(false)))
}

/// The `/proc` folders of the processes of some groups. Ids are given in order, so those of a group are not less than its
/// leader's, and older processes need not be read.
fn members(groups: &[Pid]) -> io::Result<Vec<PathBuf>> {
    let Some(first) = groups.iter().map(|group| group.as_raw_pid()).min() else { return Ok(Vec::new()) };
    let mut members = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if id.is_none_or(|id| id < first) {
            continue;
        }
        // It may have ended in this moment.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // State, parent and group stand behind the name in parentheses.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let group = fields.split_whitespace().nth(2).and_then(|group| group.parse::<i32>().ok());
        if groups.iter().any(|known| Some(known.as_raw_pid()) == group) {
            members.push(entry.path());
        }
    }
    Ok(members)
}

/// The processor time of some processes in nanoseconds; none if one has ended.
fn worked(processes: &[PathBuf]) -> Option<u64> {
    let mut worked = 0;
    for process in processes {
        for thread in fs::read_dir(process.join("task")).ok()? {
            let told = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            worked += told.split_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    Some(worked)
}

/// Whether all threads of a process wait; none if it has ended.
fn waits(process: &Path) -> Option<bool> {
    for thread in fs::read_dir(process.join("task")).ok()? {
        let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let state = stat.rsplit_once(')')?.1.split_whitespace().next()?;
        // S waits for an event. D waits for a disk, which is work; Z is a zombie.
        if state != "S" {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        os::unix::process::CommandExt as _,
        process::{Command, Stdio},
    };

    use super::*;

    #[tokio::test]
    async fn a_process_that_waits_for_input_is_at_rest_and_one_that_works_is_not() {
        let script = "read -r line; while :; do :; done";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let group = [Pid::from_raw(child.id().cast_signed()).unwrap()];
        while !at_rest(&group).await.unwrap() {}
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        while at_rest(&group).await.unwrap() {}
        assert!(!at_rest(&group).await.unwrap(), "it works");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(at_rest(&group).await.unwrap(), "no process is left");
    }
}
