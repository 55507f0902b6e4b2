//! The source that a pipeline builds: a git repository with real commits, whose times are given.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// When the first commit is made, in seconds since 1970.
const FIRST_COMMIT_S: u64 = 1_760_000_000;
/// How much later each further commit is made.
const BETWEEN_COMMITS_S: u64 = 60;

/// A repository below a folder that somebody else removes.
#[derive(Debug)]
pub struct Source {
    folder: PathBuf,
    commits: u64,
}

impl Source {
    /// A repository in a new `folder`, whose first commit is a copy of everything in `original`.
    ///
    /// # Errors
    /// Files that cannot be copied; git that fails or is missing.
    pub fn copy_of(original: &Path, folder: PathBuf) -> io::Result<Self> {
        copy(original, &folder)?;
        Self::here(folder)
    }

    /// A repository in a new `folder`, whose first commit has these files: names and texts.
    ///
    /// # Errors
    /// Files that cannot be written; git that fails or is missing.
    pub fn of(files: &[(&str, &str)], folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
        }
        Self::here(folder)
    }

    fn here(folder: PathBuf) -> io::Result<Self> {
        let mut source = Self { folder, commits: 0 };
        source.git(&["init", "--quiet", "--initial-branch=main"])?;
        source.commit()?;
        Ok(source)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a file, whose folder is made if need be.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    }

    /// Commits everything, a minute after the last commit, and returns the commit's id.
    ///
    /// # Errors
    /// git that fails.
    pub fn commit(&mut self) -> io::Result<String> {
        self.commits += 1;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// A copy of the repository with one commit checked out, in a new folder, as a job's checkout is.
    ///
    /// # Errors
    /// git that fails.
    pub fn check_out(&self, commit: &str, folder: &Path) -> io::Result<()> {
        let target = folder.to_string_lossy();
        self.git(&["clone", "--quiet", "--no-hardlinks", ".", &target])?;
        git(folder, FIRST_COMMIT_S, &["checkout", "--quiet", "--detach", commit]).map(drop)
    }

    fn git(&self, arguments: &[&str]) -> io::Result<String> {
        git(&self.folder, FIRST_COMMIT_S + BETWEEN_COMMITS_S * self.commits, arguments)
    }
}

/// Runs git with nobody's configuration, and returns what it printed.
fn git(folder: &Path, time: u64, arguments: &[&str]) -> io::Result<String> {
    let date = format!("{time} +0000");
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=verify", "-c", "user.email=verify@localhost", "-c", "advice.detachedHead=false"])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("git {}: {}: {}", arguments.join(" "), output.status, said.trim())))
}

/// Copies a folder with its permissions; links are followed.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs::metadata(entry.path())?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_follow_one_another_and_can_be_checked_out() {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("original");
        fs::create_dir_all(original.join("files")).unwrap();
        fs::write(original.join("files/a"), "one").unwrap();
        let mut source = Source::copy_of(&original, folder.path().join("source")).unwrap();
        let first = source.git(&["rev-parse", "HEAD"]).unwrap();
        source.write("files/new/b", "two").unwrap();
        let second = source.commit().unwrap();
        assert_ne!(first, second);

        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        source.check_out(&first, &old).unwrap();
        source.check_out(&second, &new).unwrap();
        assert!(!old.join("files/new/b").exists());
        assert_eq!(fs::read_to_string(new.join("files/new/b")).unwrap(), "two");
        let times = git(&new, FIRST_COMMIT_S, &["log", "--format=%ct"]).unwrap();
        assert_eq!(times, format!("{}\n{}", FIRST_COMMIT_S + 120, FIRST_COMMIT_S + 60));
    }

    #[test]
    fn what_git_says_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = git(folder.path(), FIRST_COMMIT_S, &["checkout", "nothing"]).unwrap_err();
        assert!(error.to_string().contains("not a git repository"), "{error}");
    }
}
