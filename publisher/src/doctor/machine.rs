//! The files and programs of the machine that is examined.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::finding::Finding;
use crate::environment::Environment;

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
        folders.map(|folder| self.path(folder).join(name)).find(|file| is_executable(file))
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

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
pub(super) mod tests {
    use tempfile::TempDir;

    use super::*;

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
}
