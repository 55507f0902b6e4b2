//! The two things that git is asked: which commit this is, and when it was made.

use std::path::Path;

use tokio::process::Command;

/// The commit that is checked out, if this is a git checkout.
pub(super) async fn head(folder: &Path) -> Option<String> {
    ask(folder, &["rev-parse", "--verify", "HEAD"]).await
}

/// When a commit was made, in seconds since 1970, if the checkout has it.
pub(super) async fn commit_time(folder: &Path, commit: &str) -> Option<u64> {
    ask(folder, &["show", "--no-patch", "--format=%ct", commit]).await?.parse().ok()
}

/// The answer in one line; nothing if git is not there or has none. In a container or behind `sudo` the checkout often
/// belongs to somebody else, which is no reason not to read it.
async fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .output()
        .await
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
