//! A podman for unit tests: a real process that does what the test wrote.

use std::path::Path;

use tempfile::TempDir;

use super::{Info, PROGRAM_VARIABLE, Podman};

/// What podman 5.8 says about itself, shortened.
pub(crate) const INFO: &str = include_str!("fake-info.json");

/// [`INFO`], read.
pub(crate) fn info() -> Info {
    Info::read(&serde_json::from_str(INFO).unwrap()).unwrap()
}

/// The program at this path as podman.
pub(crate) fn podman_named(program: &Path) -> Podman {
    Podman::new(&[(PROGRAM_VARIABLE, program.to_str().unwrap())].into_iter().collect())
}

/// A podman that runs this shell script, in which `$here` is the returned folder.
///
/// The program is a link to a script that exists since the checkout: one that is written and run at once may be "busy",
/// as another test's process, being started at that moment, still has it open for writing.
pub(crate) fn fake_podman(behaviour: &str) -> (TempDir, Podman) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("behaviour"), behaviour).unwrap();
    // Tests may be run from a copy of the project, where cargo and nextest say at run time where that is.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let script = Path::new(&root).join("src/podman/tests/fake-podman");
    let program = folder.path().join("podman");
    std::os::unix::fs::symlink(script, &program).unwrap();
    let podman = podman_named(&program);
    (folder, podman)
}
