//! What git is asked: which commit this is and when it was made, and for `init` what the repository is.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// How long another repository may take to answer.
const REMOTE_MAX: Duration = Duration::from_secs(30);

/// The commit that is checked out, if this is a git checkout.
pub(super) async fn head(folder: &Path) -> Option<String> {
    ask(folder, &["rev-parse", "--verify", "HEAD"]).await
}

/// When a commit was made, in seconds since 1970, if the checkout has it.
pub(super) async fn commit_time(folder: &Path, commit: &str) -> Option<u64> {
    ask(folder, &["show", "--no-patch", "--format=%ct", commit]).await?.parse().ok()
}

/// The folder that holds the whole checkout.
pub(super) async fn root(folder: &Path) -> Option<PathBuf> {
    ask(folder, &["rev-parse", "--show-toplevel"]).await.map(PathBuf::from)
}

/// The address of the remote `origin`, else of the only one.
pub(super) async fn remote(folder: &Path) -> Option<String> {
    let remotes = ask(folder, &["remote"]).await?;
    let names: Vec<&str> = remotes.lines().collect();
    let name = match names.as_slice() {
        [only] => only,
        several => several.iter().find(|name| **name == "origin")?,
    };
    ask(folder, &["remote", "get-url", name]).await
}

/// The branch that `origin` shows first, else the one that is checked out.
pub(super) async fn main_branch(folder: &Path) -> Option<String> {
    let of_origin = ask(folder, &["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]).await;
    match of_origin.as_deref().and_then(|name| name.strip_prefix("origin/")) {
        Some(branch) => Some(branch.to_owned()),
        None => ask(folder, &["symbolic-ref", "--short", "HEAD"]).await,
    }
}

/// The commits that another repository shows: its main branch and what may be releases. The folder keeps the settings of the
/// checkout at hand out of it; nobody is asked for a password.
pub(super) async fn refs(url: &str) -> Option<String> {
    let arguments = ["-c", "core.askPass=true", "ls-remote", url, "HEAD", "refs/tags/v*"];
    timeout(REMOTE_MAX, ask(Path::new("/"), &arguments)).await.ok()?
}

/// The answer without blanks around it; nothing if git is not there or has none. In a container or behind `sudo` the checkout often
/// belongs to somebody else, which is no reason not to read it.
async fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .kill_on_drop(true)
        .output()
        .await
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
