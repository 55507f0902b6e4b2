//! Whether processes are at rest: each of their threads waits for something, and none has had a processor for a while.
//!
//! Nobody tells when a process begins to wait, so it is looked at (proc(5)): the state of each thread, and for how many
//! nanoseconds it has had a processor, which no thread can hide.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Pid;

/// The time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// How many looks one after the other must show the same.
const LOOKS: usize = 3;

/// Looks until it is certain whether the processes of some groups are at rest. One that ends meanwhile is not.
///
/// # Errors
/// A system without `/proc`.
pub async fn at_rest(groups: &[Pid]) -> io::Result<bool> {
    let members = members(groups)?;
    let Some(worked) = worked(&members) else { return Ok(false) };
    for _ in 1..LOOKS {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        if self::worked(&members) != Some(worked) {
            return Ok(false);
        }
    }
    Ok(members.iter().all(|process| waits(process).unwrap_or(false)))
}

/// The folders of the processes of some groups. Ids are given in order, so those of a group are not less than its leader's: the
/// many older processes of a machine need not be looked at.
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

/// For how many nanoseconds the threads of some processes have had a processor; nothing if one has ended.
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

/// Whether all threads of a process wait for something; nothing if one has ended.
fn waits(process: &Path) -> Option<bool> {
    for thread in fs::read_dir(process.join("task")).ok()? {
        let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let state = stat.rsplit_once(')')?.1.split_whitespace().next()?;
        // S sleeps until something comes. D waits for a disk, which is work; Z has ended, and somebody is about to notice.
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
    async fn who_waits_for_input_is_at_rest_and_who_works_is_not() {
        let script = "read -r line; while :; do :; done";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let group = [Pid::from_raw(child.id().cast_signed()).unwrap()];
        while !at_rest(&group).await.unwrap() {}
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        while at_rest(&group).await.unwrap() {}
        assert!(!at_rest(&group).await.unwrap(), "it works");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(at_rest(&group).await.unwrap(), "there is nobody any more");
    }
}
