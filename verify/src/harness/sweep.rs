//! Nothing stays behind. What belongs to a process carries its name; what belongs to a dead one is removed.
//!
//! Drop, panics and signals clean up after themselves, but nothing can after SIGKILL. So containers carry a label, and
//! folders a name, that says whose they are: process id, the time when that process started (ids are used again), and the
//! process namespace (a daemon may be shared by processes that do not see each other).

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testcontainers::bollard::{Docker, query_parameters::RemoveContainerOptionsBuilder};

use super::{
    error::HarnessError,
    lock, marked,
    podman::{remove_as_its_users, remove_hosts_below},
    registry::engine,
};

/// The label of our containers; its value names the owner.
pub const LABEL: &str = "tallyman.verify";
/// The label that testcontainers puts on all its containers, with its value.
const MANAGED: &str = "org.testcontainers.managed-by=testcontainers";
/// How the names of our folders begin; the owner follows.
const FOLDER: &str = "tallyman-verify.";
/// Ends the owner in the name of a folder.
const SEPARATOR: char = '_';

/// A process, named so that no other process ever has the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pid: i32,
    /// In clock ticks since the machine started.
    started: u64,
    /// The inode of the process namespace.
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

    /// Whose name this is, if it is one.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let owner = Self {
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            namespace: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether it is certain that the process is no more. One that cannot be seen from here is taken for living.
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

/// When a process started; none if it has ended, though its parent may not have noticed yet. The second field of
/// `/proc/<pid>/stat` is the program's name in parentheses, which may hold anything; the state follows it, and the start
/// time is the twentieth after it (proc(5)).
fn started(pid: i32) -> Option<u64> {
    Pid::from_raw(pid)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// A new folder of this process, removed when it is dropped, or by [`Sweep::leftovers`].
///
/// # Errors
/// A temporary folder that cannot be written to.
pub fn folder() -> Result<TempDir, HarnessError> {
    let prefix = format!("{FOLDER}{}{SEPARATOR}", Owner::this()?);
    tempfile::Builder::new().prefix(&prefix).tempdir().map_err(HarnessError::io("cannot make a temporary folder"))
}

/// What was swept away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers, by id.
    pub containers: Vec<String>,
    /// Folders, by name.
    pub folders: Vec<String>,
    /// Processes, by command line.
    pub processes: Vec<String>,
}

/// The right to sweep. One process has it at a time: who removes what another one is removing sees it half gone.
#[derive(Debug)]
pub struct Sweep(#[expect(dead_code, reason = "is held, not used")] File);

impl Sweep {
    /// Waits until nobody else sweeps.
    ///
    /// # Errors
    /// A temporary folder that cannot be written to.
    pub async fn begin() -> Result<Self, HarnessError> {
        lock::exclusive("sweep").await.map(Self)
    }

    /// Removes the containers and the folders of processes that are no more, and ends what they had started. Folders go last,
    /// for all others use them. Without an engine there are no containers. Folders are removed even if the engine is in trouble.
    ///
    /// # Errors
    /// An engine that is there and does not answer, folders that cannot be removed.
    pub async fn leftovers(&self) -> Result<Swept, HarnessError> {
        let processes = processes()?;
        let containers = match engine::connect().await {
            Ok(docker) => containers(&docker).await,
            Err(HarnessError::NoEngine) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let folders = folders(&std::env::temp_dir()).await?;
        Ok(Swept { containers: containers?, folders, processes })
    }
}

/// Ends what pipelines under test go on doing that nobody watches any more.
fn processes() -> Result<Vec<String>, HarnessError> {
    let mut ended = Vec::new();
    for process in marked::all().map_err(HarnessError::io("cannot list processes"))? {
        // It may have ended by itself in this moment.
        if process.owner().is_some_and(|owner| owner.is_dead()) && kill_process(process.pid, Signal::KILL).is_ok() {
            ended.push(process.words);
        }
    }
    Ok(ended)
}

async fn containers(docker: &Docker) -> Result<Vec<String>, HarnessError> {
    let mut swept = Vec::new();
    for container in engine::containers(docker, &[MANAGED, LABEL]).await? {
        let owner = container.labels.get(LABEL).and_then(|owner| Owner::parse(owner));
        if !owner.is_some_and(|owner| owner.is_dead()) {
            continue;
        }
        let id = container.id;
        let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match docker.remove_container(&id, Some(force)).await {
            Ok(()) => swept.push(id),
            // Somebody else sweeps at the same time.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(HarnessError::engine("remove a container")(error)),
        }
    }
    Ok(swept)
}

fn is_gone(error: &testcontainers::bollard::errors::Error) -> bool {
    use testcontainers::bollard::errors::Error::DockerResponseServerError;
    matches!(error, DockerResponseServerError { status_code: 404 | 409, .. })
}

async fn folders(parent: &Path) -> Result<Vec<String>, HarnessError> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(parent).map_err(HarnessError::at("list", parent))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(FOLDER).and_then(|rest| Owner::parse(rest.split(SEPARATOR).next()?));
        if owner.is_some_and(|owner| owner.is_dead()) && is_ours(&entry) {
            remove(&entry.path()).await?;
            swept.push(name);
        }
    }
    Ok(swept)
}

/// Removes a folder of a dead process. It may hold podman hosts, with what they still run and have mounted, and files of
/// users that exist in podman's namespace alone. What somebody else removes at the same time is gone as well.
async fn remove(folder: &Path) -> Result<(), HarnessError> {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    remove_hosts_below(folder).await?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == PermissionDenied => remove_as_its_users(folder).await,
        Err(error) if error.kind() != NotFound => Err(HarnessError::at("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Other users sweep for themselves.
fn is_ours(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that a process had which is no more: this one's id, but another start.
    fn dead() -> Owner {
        let this = Owner::this().unwrap();
        Owner { started: this.started + 1, ..this }
    }

    #[test]
    fn a_name_tells_whether_its_process_lives() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        assert!(!this.is_dead());
        assert!(dead().is_dead());
        assert!(!Owner { namespace: 1, ..dead() }.is_dead(), "of another namespace nothing is known");
    }

    #[test]
    fn a_process_that_ended_unnoticed_is_dead() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let owner = Owner { pid, started: started(pid).unwrap(), ..Owner::this().unwrap() };
        assert!(!owner.is_dead());
        child.kill().unwrap();
        let mut ended = rustix::process::WaitIdOptions::EXITED;
        ended.insert(rustix::process::WaitIdOptions::NOWAIT);
        rustix::process::waitid(rustix::process::WaitId::Pid(Pid::from_raw(pid).unwrap()), ended).unwrap();
        assert!(owner.is_dead(), "a zombie");
        child.wait().unwrap();
        assert!(owner.is_dead());
    }

    #[rstest::rstest]
    #[case("")]
    #[case("1-2")]
    #[case("1-2-3-4")]
    #[case("x-2-3")]
    fn other_names_are_nobodys(#[case] name: &str) {
        assert_eq!(Owner::parse(name), None);
    }

    #[tokio::test]
    async fn folders_of_the_dead_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir_all(parent.path().join(name).join("data")).unwrap();
        let (left, living) = (format!("{FOLDER}{}_a", dead()), format!("{FOLDER}{}_b", Owner::this().unwrap()));
        make(&left);
        make(&living);
        make("tallyman-verify.mine");
        assert_eq!(folders(parent.path()).await.unwrap(), [left]);
        let mut kept: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        kept.sort();
        assert_eq!(kept, [living.as_str(), "tallyman-verify.mine"]);
    }

    /// As a killed build leaves it: in a store, and beside it.
    #[tokio::test]
    async fn files_of_users_that_only_podman_knows_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(format!("{FOLDER}{}_a", dead()));
        fs::create_dir_all(left.join("host/root")).unwrap();
        fs::write(left.join("host/storage.conf"), "").unwrap();
        let script =
            "mkdir \"$1/theirs\" \"$1/host/root/theirs\" && touch \"$1/theirs/file\" \"$1/host/root/theirs/file\" &&
            chmod 700 \"$1/theirs\" \"$1/host/root/theirs\" && chown -R 100:100 \"$1/theirs\" \"$1/host/root/theirs\"";
        let made =
            std::process::Command::new("podman").args(["unshare", "sh", "-c", script, "make"]).arg(&left).status();
        assert!(made.unwrap().success());
        assert!(fs::remove_dir_all(&left).is_err(), "they are this user's own");
        folders(parent.path()).await.unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn what_the_dead_started_is_ended_and_nothing_else() {
        let start = |owner: &Owner| {
            let mut cat = std::process::Command::new("cat");
            cat.env(marked::MARK, format!("{owner}:/x")).stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let (mut left, mut living) = (start(&dead()), start(&Owner::this().unwrap()));
        assert!(processes().unwrap().contains(&"cat".to_owned()));
        assert!(!left.wait().unwrap().success());
        drop(living.stdin.take());
        assert!(living.wait().unwrap().success());
    }
}
