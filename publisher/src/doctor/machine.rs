//! Examines what containers need of this machine besides podman: ranges of user ids and a network for each `RUN` step.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::finding::Finding;
use crate::{environment::Environment, podman::Info};

/// Where podman looks for its helpers before `PATH` (`helper_binaries_dir` in containers.conf).
const HELPER_FOLDERS: [&str; 4] =
    ["/usr/local/libexec/podman", "/usr/local/lib/podman", "/usr/libexec/podman", "/usr/lib/podman"];

/// The machine; a test examines a folder of its own.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) environment: &'a Environment,
    root: PathBuf,
}

impl<'a> Machine<'a> {
    pub(super) fn new(environment: &'a Environment, root: impl Into<PathBuf>) -> Self {
        Self { environment, root: root.into() }
    }

    /// An absolute path on this machine.
    pub(super) fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// A file's text, empty where there is none.
    pub(super) fn text(&self, absolute: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(absolute)).unwrap_or_default()
    }

    /// A program of podman's own folders or of `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.environment.get("PATH").unwrap_or_default();
        let folders = HELPER_FOLDERS.iter().map(PathBuf::from).chain(std::env::split_paths(path));
        folders
            .map(|folder| self.path(folder).join(name))
            .find(|file| file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0))
    }

    /// Examines whether a program is installed.
    pub(super) fn examine_program(&self, name: &str, program: &str, package: &str, without: &str) -> Finding {
        if let Some(file) = self.program(program) {
            return Finding::ok(name, file.display().to_string());
        }
        let fix = format!("apt-get install {package}, or ./setup.sh");
        Finding::missing(name, format!("{program} not found; {without}"), fix)
    }
}

/// How many ids an ordinary image needs: `nobody` is 65534.
const IDS_MIN: u64 = 65_536;
const ADD_RANGES: &str = "as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER";

const TUN: &str = "/dev/net/tun";

/// Id ranges of an ordinary user, and the programs that hand them out; root needs neither.
pub(super) fn user(machine: &Machine<'_>, info: Option<&Info>, user_id: u32) -> Vec<Finding> {
    if user_id == 0 {
        return Vec::new();
    }
    // Ranges may come from elsewhere than these files; podman knows.
    let known = info.map_or(0, |info| info.user_ids.saturating_sub(1));
    let id = user_id.to_string();
    // The name from the user database, else the number.
    let user = fields(machine, "/etc/passwd").into_iter().find(|user| user.get(2) == Some(&id));
    let name = user.map_or(id.clone(), |user| user[0].clone());
    let ranges = |file| {
        // Lines of `user:first:count`, where the user is a name or a number.
        let of_user = fields(machine, file).into_iter().filter(|line| line[0] == name || line[0] == id);
        let ids: u64 = of_user.filter_map(|line| line.get(2)?.trim().parse::<u64>().ok()).sum();
        let fix = ADD_RANGES.replace("USER", &name);
        match known.max(ids) {
            0 => Finding::missing(file, format!("no range for {name}"), fix),
            ids @ IDS_MIN.. => Finding::ok(file, format!("{ids} ids for {name}")),
            ids => Finding::warning(file, format!("only {ids} ids for {name}, images expect {IDS_MIN}"), fix),
        }
    };
    let why = "it hands out user and group ids";
    vec![
        ranges("/etc/subuid"),
        ranges("/etc/subgid"),
        machine.examine_program("newuidmap", "newuidmap", "uidmap", why),
        machine.examine_program("newgidmap", "newgidmap", "uidmap", why),
    ]
}

/// The lines of a file, cut at each colon.
fn fields(machine: &Machine<'_>, file: &str) -> Vec<Vec<String>> {
    machine.text(file).lines().map(|line| line.split(':').map(Into::into).collect()).collect()
}

/// The tunnel device, and the program that connects a `RUN` step through it.
pub(super) fn network(machine: &Machine<'_>, info: Option<&Info>) -> Vec<Finding> {
    // Only opening it shows whether permissions and mounts allow it.
    let tun = match OpenOptions::new().read(true).write(true).open(machine.path(TUN)) {
        Ok(_) => Finding::ok(TUN, "can be opened"),
        Err(error) => {
            let fix = format!("as root: modprobe tun; chmod 666 {TUN}, or ./setup.sh");
            Finding::missing(TUN, format!("cannot be opened: {error}"), fix)
        }
    };
    let program = match info {
        Some(info) if !info.rootless_network.is_empty() => &info.rootless_network,
        // It does not report its default.
        Some(info) if info.version.major < 5 => "slirp4netns",
        _ => "pasta",
    };
    let package = if program == "pasta" { "passt" } else { program };
    vec![tun, machine.examine_program("rootless network", program, package, "steps cannot reach the network")]
}

#[cfg(test)]
pub(super) mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{doctor::finding::Status, podman::tests::info};

    /// A folder that stands for a machine: files by absolute path; those below `bin` folders are programs.
    pub(in crate::doctor) fn machine_with(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            let mode = if path.contains("bin/") || path.contains("/podman/") { 0o755 } else { 0o644 };
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        root
    }

    pub(in crate::doctor) fn environment() -> Environment {
        [("PATH", "/usr/local/bin:/usr/bin")].into_iter().collect()
    }

    #[test]
    fn programs_are_executable_files_of_path_and_of_podmans_folders() {
        let root = machine_with(&[("/usr/bin/git", ""), ("/usr/lib/podman/netavark", ""), ("/opt/bin/other", "")]);
        fs::create_dir(root.path().join("usr/bin/folder")).unwrap();
        fs::write(root.path().join("usr/bin/text"), "").unwrap();
        let environment = environment();
        let machine = Machine::new(&environment, root.path());
        assert_eq!(machine.program("git"), Some(root.path().join("usr/bin/git")));
        assert_eq!(machine.program("netavark"), Some(root.path().join("usr/lib/podman/netavark")));
        for name in ["folder", "text", "other", "absent"] {
            assert_eq!(machine.program(name), None, "{name}");
        }
    }

    const USERS: (&str, &str) = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n");

    fn examine_user(files: &[(&str, &str)], info: Option<&Info>) -> Vec<(Status, String)> {
        let (root, environment) = (machine_with(files), environment());
        let findings = user(&Machine::new(&environment, root.path()), info, 1001);
        findings.into_iter().map(|finding| (finding.status, finding.detail)).collect()
    }

    #[rstest::rstest]
    #[case("ann:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("1001:100000:65536\n", Status::Ok, "65536 ids for ann")]
    #[case("ann:1:60000\nbob:1:9\nann:100000:6000\n", Status::Ok, "66000 ids for ann")]
    #[case("ann:100000:1000\n", Status::Warning, "only 1000 ids for ann, images expect 65536")]
    #[case("bob:100000:65536\n", Status::Missing, "no range for ann")]
    #[case("annabel:100000:65536\nann:x\n", Status::Missing, "no range for ann")]
    fn ranges_are_those_of_the_user(#[case] subuid: &str, #[case] status: Status, #[case] detail: &str) {
        assert_eq!(examine_user(&[USERS, ("/etc/subuid", subuid)], None)[0], (status, detail.to_owned()));
    }

    #[test]
    fn podman_knows_of_ranges_that_no_file_lists() {
        let found = examine_user(&[USERS, ("/usr/bin/newuidmap", ""), ("/usr/bin/newgidmap", "")], Some(&info()));
        assert!(found.len() == 4 && found.iter().all(|(status, _)| *status == Status::Ok), "{found:?}");
    }

    #[test]
    fn the_helpers_are_needed() {
        let found = examine_user(&[USERS], None);
        assert_eq!([found[2].0, found[3].0], [Status::Missing; 2]);
    }

    fn examine_network(files: &[(&str, &str)], info: Option<&Info>) -> Vec<Status> {
        let (root, environment) = (machine_with(files), environment());
        network(&Machine::new(&environment, root.path()), info).iter().map(|finding| finding.status).collect()
    }

    #[test]
    fn an_old_podman_is_connected_by_another_program() {
        let old = Info { version: semver::Version::new(4, 3, 1), rootless_network: String::new(), ..info() };
        let files = [("/dev/net/tun", ""), ("/usr/bin/slirp4netns", "")];
        assert_eq!(examine_network(&files, Some(&old)), [Status::Ok; 2]);
        assert_eq!(examine_network(&files, Some(&info())), [Status::Ok, Status::Missing]);
    }

    #[test]
    fn a_device_and_a_program_are_needed() {
        assert_eq!(examine_network(&[], None), [Status::Missing; 2]);
        assert_eq!(examine_network(&[("/dev/net/tun", ""), ("/usr/bin/pasta", "")], None), [Status::Ok; 2]);
    }
}
