//! The processes of a stage and everything that they started, found by a variable in their environment. It names the owner, so
//! that processes of a killed run can be told from those of a running one.

use std::{fs, io, path::Path};

use rustix::process::Pid;

use super::owner::Owner;

/// The variable: owner, separator, the stage's folder.
pub(super) const VARIABLE: &str = "VERIFY_STAGE";
/// Stands behind the owner in the variable's value.
const SEPARATOR: char = ':';
/// Processes of these names hold a user's namespace for all containers of that user, and stay by design: podman's own, and the
/// one that it uses where it is installed.
const STAY: [&str; 2] = ["podman pause", "catatonit"];

/// A process of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StageProcess {
    pub(super) pid: Pid,
    /// The variable's value.
    stage: String,
    pub(super) command_line: String,
}

impl StageProcess {
    pub(super) fn owner(&self) -> Option<Owner> {
        Owner::parse(self.stage.split(SEPARATOR).next()?)
    }
}

/// The variable's value for a stage that this process runs in a folder.
pub(super) fn value(folder: &Path) -> io::Result<String> {
    let owner = Owner::this().map_err(io::Error::other)?;
    Ok(format!("{owner}{SEPARATOR}{}", folder.display()))
}

/// The processes of one stage.
pub(super) fn of_stage(value: &str) -> io::Result<Vec<StageProcess>> {
    Ok(all()?.into_iter().filter(|it| it.stage == value).collect())
}

/// The processes of all stages that this user can see, without those that stay by design.
pub(super) fn all() -> io::Result<Vec<StageProcess>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // Processes of other users cannot be read, and processes end.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let Some(stage) = variable(&environment) else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ").trim().to_owned();
        if !command_line.is_empty() && !STAY.contains(&name.trim_end()) {
            found.push(StageProcess { pid, stage, command_line });
        }
    }
    Ok(found)
}

fn variable(environment: &[u8]) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|it| it.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}
