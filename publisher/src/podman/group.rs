//! The process group that a podman leads, and how it is ended.
//!
//! podman runs a `RUN` step through a helper in its own group, and the kernel kills that helper when podman is gone. The
//! step's processes, in a session of their own, are then left over. If the helper gets a signal while podman lives, it ends
//! the step, and podman removes its working container and fails. So a group is signalled from its leaves up.

use std::{
    collections::HashSet,
    fs,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a group may take to end before it is killed. A cancelled job of GitHub has 10 seconds in all.
const STOP_MAX: Duration = Duration::from_secs(4);
/// How long processes whose children have ended may take to end by themselves before they get a signal as well.
const LEVEL_MAX: Duration = Duration::from_secs(1);
/// How often it is checked whether the group has ended. podman takes a tenth of a second.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A child's process group; it is ended when this is dropped before [`Group::disarm`].
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as a group leader.
    pub(super) fn led_by(child: Option<u32>) -> Self {
        Self(child.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Leaves the group alone: once the leader has been waited for, another process may get its number.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    /// Ends the group and what it started outside of it; blocks until that is done. The leader has not been waited for
    /// yet, so no other process has its number.
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
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
        for process in &outside {
            pidfd::kill(process);
        }
    }
}

/// A living process of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: Pid,
    parent: Option<Pid>,
    group: Option<Pid>,
}

impl Process {
    fn all() -> Vec<Self> {
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
        let stats = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        stats.filter_map(|stat| Self::parse(&stat)).collect()
    }

    /// Reads `/proc/<id>/stat`: `id (name) state parent group …`, where a name may hold anything. A process that has ended
    /// and was not waited for is left out. One that is about to end has the group -1.
    fn parse(stat: &str) -> Option<Self> {
        let pid = |text: &str| Pid::from_raw(text.parse().ok().filter(|number| *number > 0)?);
        let (id, rest) = (stat.split_once(' ')?.0, stat.rsplit_once(") ")?.1);
        let mut fields = rest.split(' ');
        let is_alive = !matches!(fields.next()?, "Z" | "X");
        let (parent, group) = (fields.next()?, fields.next()?);
        is_alive.then_some(Self { id: pid(id)?, parent: pid(parent), group: pid(group) })
    }
}

/// The processes of a group that have no child in it.
fn leaves(processes: &[Process], leader: Pid) -> Vec<Pid> {
    let members = || processes.iter().filter(|process| process.group == Some(leader));
    let parents: HashSet<_> = members().filter_map(|process| process.parent).collect();
    members().map(|process| process.id).filter(|id| !parents.contains(id)).collect()
}

/// The processes that a group started, directly or not, and that left it; as file descriptors, because a number may pass
/// to another process.
fn started_outside(processes: &[Process], leader: Pid) -> Vec<OwnedFd> {
    let (members, others): (Vec<Process>, Vec<Process>) =
        processes.iter().copied().partition(|process| process.group == Some(leader));
    let mut family: HashSet<_> = members.iter().map(|process| process.id).collect();
    let mut outside = Vec::new();
    while let Some(child) = others
        .iter()
        .find(|process| !family.contains(&process.id) && process.parent.is_some_and(|parent| family.contains(&parent)))
    {
        family.insert(child.id);
        outside.extend(pidfd::open(child.id));
    }
    outside
}

/// A process as a file descriptor.
#[cfg(target_os = "linux")]
mod pidfd {
    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    pub(super) fn open(process: Pid) -> Option<OwnedFd> {
        pidfd_open(process, PidfdFlags::empty()).ok()
    }

    pub(super) fn kill(process: &OwnedFd) {
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// Other systems have no `/proc`: no process is found that could be opened.
#[cfg(not(target_os = "linux"))]
mod pidfd {
    use std::os::fd::OwnedFd;

    use rustix::process::Pid;

    pub(super) fn open(_: Pid) -> Option<OwnedFd> {
        None
    }

    pub(super) fn kill(_: &OwnedFd) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: i32) -> Pid {
        Pid::from_raw(id).unwrap()
    }

    #[rstest::rstest]
    #[case("7 (podman) S 1 5 5 0 -1", Some((7, 1, 5)))]
    #[case("7 (a) R 9 9) S 1 5 5 0", Some((7, 1, 5)))]
    #[case("7 (podman) Z 1 5 5 0", None)]
    #[case("7 (podman) S", None)]
    #[case("", None)]
    #[case("7 (podman) R 0 -1 -1 0 -1", Some((7, 0, 0)))]
    fn a_process_is_read_unless_it_has_ended(#[case] stat: &str, #[case] process: Option<(i32, i32, i32)>) {
        let process = process.map(|(id, parent, group)| Process {
            id: pid(id),
            parent: Pid::from_raw(parent),
            group: Pid::from_raw(group),
        });
        assert_eq!(Process::parse(stat), process);
    }

    #[test]
    fn leaves_have_no_children_in_the_group() {
        let process = |id, parent, group| Process { id: pid(id), parent: Some(pid(parent)), group: Some(pid(group)) };
        let processes = [process(2, 1, 2), process(3, 2, 2), process(4, 3, 2), process(5, 2, 2), process(6, 5, 6)];
        assert_eq!(leaves(&processes, pid(2)), [pid(4), pid(5)]);
    }
}
