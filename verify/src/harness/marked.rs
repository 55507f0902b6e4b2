//! Processes that carry a mark in their environment: those of a stage, with whatever they started, wherever it went. The mark
//! says whose they are, so that what a killed trial left can be told from what a living one does.

use std::{fs, io, path::Path};

use rustix::process::Pid;

use super::sweep::Owner;

/// The variable by which the processes of a stage are known.
pub(super) const MARK: &str = "VERIFY_STAGE";
/// Ends the owner in a mark.
const SEPARATOR: char = ':';
/// Processes of these names hold a user's namespace for all his containers and stay by design: podman's own, and the one that
/// it uses where it is installed.
const STAY: [&str; 2] = ["podman pause", "catatonit"];

/// A process with a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) pid: Pid,
    mark: String,
    /// Its command line.
    pub(super) words: String,
}

impl Marked {
    /// Whose it is.
    pub(super) fn owner(&self) -> Option<Owner> {
        Owner::parse(self.mark.split(SEPARATOR).next()?)
    }
}

/// The mark of what this process starts in a folder.
pub(super) fn mark(folder: &Path) -> io::Result<String> {
    let owner = Owner::this().map_err(io::Error::other)?;
    Ok(format!("{owner}{SEPARATOR}{}", folder.display()))
}

/// The processes with one mark.
pub(super) fn with(mark: &str) -> io::Result<Vec<Marked>> {
    Ok(all()?.into_iter().filter(|it| it.mark == mark).collect())
}

/// All processes that have a mark and do not stay by design, as far as this user may look at them.
pub(super) fn all() -> io::Result<Vec<Marked>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // Others' processes cannot be read, and processes end.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let Some(mark) = variable(&environment) else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        if !words[0].is_empty() && !STAY.contains(&name.trim_end()) {
            found.push(Marked { pid, mark, words: words.join(" ").trim().to_owned() });
        }
    }
    Ok(found)
}

/// The mark in an environment.
fn variable(environment: &[u8]) -> Option<String> {
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|it| it.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}
