//! Watched programs: a folder that comes first on a subject's `PATH`, in which the usual programs of publishing pipelines
//! note how they are called and then are themselves. So it is known what a pipeline did, and whether a secret stood
//! among the arguments, where every user of the machine can read it.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use crate::evidence::Call;

/// The programs that are watched, those that would give more rights among them.
const WATCHED: &[&str] = &[
    "buildah", "cosign", "crane", "curl", "doas", "docker", "gh", "oras", "pkexec", "podman", "regctl", "skopeo", "su",
    "sudo", "wget",
];
/// Stands between the words of a call (ASCII: unit separator).
const BETWEEN_WORDS: char = '\u{1f}';
/// Stands behind each call (ASCII: record separator).
const BEHIND_CALL: char = '\u{1e}';
/// One write a call, so that calls at the same time do not mix.
const SCRIPT: &str = r#"#!/bin/sh
name=${0##*/}
between=$(printf '\037')
line=$(id -u)
for word in "$name" "$@"; do line=$line$between$word; done
printf '%s\036' "$line" >>"$VERIFY_CALLS"
PATH=$VERIFY_PATH
export PATH
exec "$name" "$@"
"#;

/// The variable that names the file for the calls.
pub const CALLS: &str = "VERIFY_CALLS";
/// The variable that holds the `PATH` of the programs themselves.
pub const REAL_PATH: &str = "VERIFY_PATH";

/// Makes the watched programs in a folder.
///
/// # Errors
/// Files that cannot be made.
pub fn install(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let script = folder.join("watch");
    // Written by a process of its own: a file that this process has open for writing cannot be executed, and a fork in
    // another thread keeps it open for a moment longer.
    let mut writer =
        Command::new("install").args(["-m", "755", "/dev/stdin"]).arg(&script).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = writer.stdin.take() {
        stdin.write_all(SCRIPT.as_bytes())?;
    }
    if !writer.wait()?.success() {
        return Err(io::Error::other("install cannot write the watching script"));
    }
    WATCHED.iter().try_for_each(|name| symlink("watch", folder.join(name)))
}

/// Reads the calls that were noted in a file; none if nothing was called.
///
/// # Errors
/// A file that cannot be read.
pub fn calls(file: &Path) -> io::Result<Vec<Call>> {
    let noted = match fs::read(file) {
        Ok(noted) => noted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let noted = String::from_utf8_lossy(&noted);
    Ok(noted.split_terminator(BEHIND_CALL).map(call).collect())
}

fn call(line: &str) -> Call {
    let mut words = line.split(BETWEEN_WORDS).map(str::to_owned);
    let user_id = words.next().and_then(|id| id.parse().ok()).unwrap_or(u32::MAX);
    Call { user_id, words: words.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_noted_and_made() {
        let folder = tempfile::tempdir().unwrap();
        let (bin, real, log) = (folder.path().join("bin"), folder.path().join("real"), folder.path().join("calls"));
        install(&bin).unwrap();
        fs::create_dir(&real).unwrap();
        symlink("/bin/echo", real.join("curl")).unwrap();
        let real_path = format!("{}:/usr/bin:/bin", real.display());
        let output = Command::new("sh")
            .args(["-c", "curl -u 'a b' \"c\nd\"; curl"])
            .env_clear()
            .env("PATH", format!("{}:{real_path}", bin.display()))
            .env(REAL_PATH, &real_path)
            .env(CALLS, &log)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "-u a b c\nd\n\n");
        let words: Vec<_> = calls(&log).unwrap().into_iter().map(|call| call.words).collect();
        assert_eq!(words, [vec!["curl", "-u", "a b", "c\nd"], vec!["curl"]]);
        assert_eq!(calls(&log).unwrap()[0].user_id, rustix::process::getuid().as_raw());
    }

    #[test]
    fn what_was_never_called_has_no_calls() {
        assert_eq!(calls(Path::new("/nowhere/calls")).unwrap(), []);
    }
}
