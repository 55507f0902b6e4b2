//! A source repository: a folder with a Containerfile and real commits.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// When the first commit of a test is made, in seconds since 1970.
const FIRST_COMMIT: u64 = 1_700_000_000;

/// A git repository that ends with the test.
pub(crate) struct Source {
    folder: TempDir,
    commits: u64,
}

impl Source {
    /// A repository with a Containerfile that says this, and one commit.
    pub(crate) fn new(containerfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Containerfile"), containerfile).unwrap();
        let mut source = Self { folder, commits: 0 };
        source.git(&["init", "--quiet"]);
        source.commit();
        source
    }

    /// A repository with a copy of a folder.
    pub(crate) fn copy_of(folder: &Path) -> Self {
        let mut source = Self::new("");
        let status = Command::new("cp").arg("-R").arg(folder.join(".")).arg(source.path()).status().unwrap();
        assert!(status.success());
        source.commit();
        source
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Commits everything, a minute after the last commit, and returns the commit's id.
    pub(crate) fn commit(&mut self) -> String {
        self.commits += 1;
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        self.head()
    }

    /// Commits everything in the same second as the last commit. The message makes the name of the commit another one each
    /// time.
    pub(crate) fn commit_at_once(&mut self) {
        self.git(&["add", "."]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            &format!("another change {}", fastrand::u64(..)),
        ]);
    }

    /// Goes to a commit.
    pub(crate) fn check_out(&self, commit: &str) {
        self.git(&["checkout", "--quiet", commit]);
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// When the last commit was made, in seconds since 1970.
    pub(crate) fn last_commit_time(&self) -> u64 {
        self.git(&["show", "--no-patch", "--format=%ct", "HEAD"]).parse().unwrap()
    }

    /// Runs git, which must succeed, and returns what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let date = format!("{} +0000", FIRST_COMMIT + 60 * self.commits);
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
