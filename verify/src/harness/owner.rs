//! The name of a process, by which what belongs to it is known after its death.

use std::{fs, os::unix::fs::MetadataExt as _};

use rustix::process::Pid;
use tempfile::TempDir;

use super::error::HarnessError;

/// The label of containers; its value names the owner.
pub const LABEL: &str = "tallyman.verify";
/// The prefix of temporary folders' names; the owner follows.
pub(super) const FOLDER_PREFIX: &str = "tallyman-verify.";
/// Stands behind the owner in a folder's name.
const SEPARATOR: char = '_';

/// A new temporary folder of this process. It is removed when it is dropped; if this process is killed, by a later sweep.
///
/// # Errors
/// A folder for temporary files that cannot be written to.
pub fn folder() -> Result<TempDir, HarnessError> {
    let prefix = format!("{FOLDER_PREFIX}{}{SEPARATOR}", Owner::this()?);
    tempfile::Builder::new().prefix(&prefix).tempdir().map_err(HarnessError::io("cannot make a temporary folder"))
}

/// A process, named so that no other process ever has the same name: ids are used again, and a daemon may be shared by
/// processes of several namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pid: i32,
    /// When it started, in clock ticks since the machine started.
    started: u64,
    /// The inode of its process namespace.
    namespace: u64,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// A system without `/proc`.
    pub fn this() -> Result<Self, HarnessError> {
        let pid = rustix::process::getpid().as_raw_pid();
        let namespace = namespace().map_err(HarnessError::io("cannot tell the process namespace"))?;
        let started = started(pid).ok_or_else(|| HarnessError::ProgramMissing { program: "/proc".to_owned() })?;
        Ok(Self { pid, started, namespace })
    }

    /// Reads a name; none if it is malformed.
    pub fn parse(name: &str) -> Option<Self> {
        let parts: Vec<u64> = name.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [pid, started, namespace] = parts[..] else { return None };
        Some(Self { pid: pid.try_into().ok()?, started, namespace })
    }

    /// The owner of a temporary folder of this name; none of other folders.
    pub(super) fn of_folder(name: &str) -> Option<Self> {
        Self::parse(name.strip_prefix(FOLDER_PREFIX)?.split(SEPARATOR).next()?)
    }

    /// Whether the process has certainly ended. One of another namespace counts as living.
    pub fn is_dead(&self) -> bool {
        namespace().is_ok_and(|here| here == self.namespace) && started(self.pid) != Some(self.started)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.pid, self.started, self.namespace)
    }
}

fn namespace() -> std::io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/pid")?.ino())
}

/// When a process started; none if it has ended, even if its parent has not waited for it. In `/proc/<pid>/stat` the second
/// field is the program's name in parentheses, which may contain anything. The state follows it, and the start time is the
/// twentieth field after it (proc(5)).
fn started(pid: i32) -> Option<u64> {
    Pid::from_raw(pid)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The name of a process that has ended: the id of this one with another start.
    pub(in crate::harness) fn dead() -> Owner {
        let this = Owner::this().unwrap();
        Owner { started: this.started + 1, ..this }
    }

    #[test]
    fn a_name_tells_whether_its_process_lives() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        assert!(!this.is_dead());
        assert!(dead().is_dead());
        assert!(!Owner { namespace: 1, ..dead() }.is_dead(), "nothing is known about another namespace");
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let owner = Owner { pid, started: started(pid).unwrap(), ..Owner::this().unwrap() };
        assert!(!owner.is_dead());
        child.kill().unwrap();
        let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(Pid::from_raw(pid).unwrap()), ended).unwrap();
        assert!(owner.is_dead());
        child.wait().unwrap();
        assert!(owner.is_dead());
    }

    #[rstest::rstest]
    #[case("")]
    #[case("1-2")]
    #[case("1-2-3-4")]
    #[case("x-2-3")]
    fn other_names_are_refused(#[case] name: &str) {
        assert_eq!(Owner::parse(name), None);
    }
}
