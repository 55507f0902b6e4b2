//! The process group that a podman leads, and how it is ended.
//!
//! podman runs a `RUN` step through a helper in its own group, and the kernel kills that helper when podman is gone. The
//! step's processes, in a session of their own, are then left over. Told to stop while podman lives, the helper takes
//! the step down, and podman removes its working container and fails. So a group is told from its leaves up.

use std::{
    collections::HashSet,
    fs,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a group may take to end before it is killed. A cancelled job of GitHub has 10 seconds in all.
const STOP_MAX: Duration = Duration::from_secs(4);
/// How long those that lost their helpers may take to end by themselves before they are told as well.
const LEVEL_MAX: Duration = Duration::from_secs(1);
/// How often it is looked whether the group is gone. podman takes a tenth of a second.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A child's process group; it is ended when this is dropped before [`Group::disarm`].
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started as a group leader.
    pub(super) fn led_by(child: Option<u32>) -> Self {
        Self(child.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The leader has been waited for: its number may belong to somebody else now.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }

    /// Ends the group and what it started outside of it; blocks until that is done. The leader still has to be waited
    /// for, until when the group's number cannot pass to others.
    pub(super) fn end(&mut self) {
        let Some(leader) = self.0.take() else { return };
        let mut members = Members::of(leader);
        let started_outside = members.started_outside();
        let deadline = Instant::now() + STOP_MAX;
        let mut told = None::<Instant>;
        while !members.group.is_empty() && Instant::now() < deadline {
            if told.is_none_or(|told| told.elapsed() >= LEVEL_MAX) {
                for leaf in members.leaves() {
                    let _ = kill_process(leaf, Signal::TERM);
                }
                told = Some(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
            members = Members::of(leader);
        }
        // Nothing is left to be hit, unless somebody does not listen or this system does not list its processes.
        let _ = kill_process_group(leader, Signal::KILL);
        for process in &started_outside {
            kill_held(process);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// A process of this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: Pid,
    parent: Option<Pid>,
    group: Option<Pid>,
}

impl Process {
    /// Reads `/proc/<id>/stat`: `id (name) state parent group …`, where a name may hold anything. One that has ended and
    /// was not waited for counts as gone. One that is going just now has the group -1.
    fn parse(stat: &str) -> Option<Self> {
        let (id, rest) = (stat.split_once(' ')?.0, stat.rsplit_once(") ")?.1);
        let mut fields = rest.split(' ');
        let alive = !matches!(fields.next()?, "Z" | "X");
        let (parent, group) = (fields.next()?, fields.next()?);
        alive.then_some(Self { id: number(id)?, parent: number(parent), group: number(group) })
    }
}

/// A process's number, unless it says that there is no process.
fn number(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok().filter(|number| *number > 0)?)
}

/// The living processes of a group among all others.
struct Members {
    group: Vec<Process>,
    others: Vec<Process>,
}

impl Members {
    fn of(leader: Pid) -> Self {
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
        let stats = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        let (group, others) =
            stats.filter_map(|stat| Process::parse(&stat)).partition(|process| process.group == Some(leader));
        Self { group, others }
    }

    /// Those that nobody else of the group was started by.
    fn leaves(&self) -> impl Iterator<Item = Pid> {
        let parents: HashSet<_> = self.group.iter().filter_map(|process| process.parent).collect();
        self.group.iter().map(|process| process.id).filter(move |id| !parents.contains(id))
    }

    /// Those that the group started, directly or not, and that left it; held so that no number is mistaken later.
    fn started_outside(&self) -> Vec<OwnedFd> {
        let mut family: HashSet<_> = self.group.iter().map(|process| process.id).collect();
        let mut found = Vec::new();
        while let Some(child) = self.others.iter().find(|process| {
            !family.contains(&process.id) && process.parent.is_some_and(|parent| family.contains(&parent))
        }) {
            family.insert(child.id);
            found.extend(hold(child.id));
        }
        found
    }
}

/// Holds a process, so that its number cannot be mistaken for another's.
#[cfg(target_os = "linux")]
fn hold(process: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(target_os = "linux")]
fn kill_held(process: &OwnedFd) {
    let _ = rustix::process::pidfd_send_signal(process, Signal::KILL);
}

/// Other systems list no processes in `/proc`, so that there is nothing to hold.
#[cfg(not(target_os = "linux"))]
fn hold(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn kill_held(_: &OwnedFd) {}

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
    fn the_leaves_are_those_without_children_in_the_group() {
        let process = |id, parent| Process { id: pid(id), parent: Some(pid(parent)), group: Some(pid(2)) };
        let members =
            Members { group: vec![process(2, 1), process(3, 2), process(4, 3), process(5, 2)], others: vec![] };
        assert_eq!(members.leaves().collect::<Vec<_>>(), [pid(4), pid(5)]);
    }
}
