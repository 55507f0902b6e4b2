//! Questions to git: which commit this is and when it was made, and for `init` what the repository is.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// How long another repository may take to answer.
const REMOTE_MAX: Duration = Duration::from_secs(30);

/// The variables that git gets: the path of programs, the folder of the user's own configuration, and the user whose
/// checkouts root works on under `sudo`. It gets nothing else, neither secrets nor `GIT_DIR`.
const ENVIRONMENT: &[&str] = &["PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID"];

/// The variables that it also gets to ask another repository: proxies and trusted certificates.
const REMOTE_ENVIRONMENT: &[&str] =
    &["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "GIT_SSL_CAINFO", "SSL_CERT_FILE"];

/// The commit that a ref leads to, if this is a git checkout that has it. `HEAD` is what is checked out.
pub(crate) async fn commit_of(folder: &Path, reference: &str) -> Option<String> {
    ask(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{reference}^{{commit}}")]).await
}

/// The files that differ from the commit that is checked out, new ones included, apart from those below `except`; none if
/// there are none or this is no checkout.
pub(crate) async fn changed(folder: &Path, except: Option<&Path>) -> Vec<String> {
    let status = ["status", "--porcelain", "--untracked-files=all"];
    let (changed, root) = tokio::join!(ask(folder, &status), root(folder));
    let (changed, root) = (changed.unwrap_or_default(), root.unwrap_or_default());
    // Two letters for what changed, of which the first line may have lost a blank.
    let names = changed.lines().filter_map(|line| Some(line.trim_start().split_once(' ')?.1.trim_start()));
    let counts = |name: &&str| !except.is_some_and(|except| root.join(name).starts_with(except));
    names.filter(counts).map(ToOwned::to_owned).collect()
}

/// When a commit was made, in seconds since 1970, and its parents, separated by spaces, if the checkout has it. The commit
/// itself names them, also in a shallow clone that has none of them.
pub(crate) async fn time_and_parents(folder: &Path, commit: &str) -> Option<(u64, Option<String>)> {
    let commit = ask(folder, &["cat-file", "commit", commit]).await?;
    let headers = || commit.lines().take_while(|line| !line.is_empty());
    let parents: Vec<_> = headers().filter_map(|line| line.strip_prefix("parent ")).collect();
    // After name and address come the time and the time zone.
    let committer = headers().find(|line| line.starts_with("committer "))?;
    let time = committer.rsplit(' ').nth(1)?.parse().ok()?;
    Some((time, Some(parents.join(" ")).filter(|parents| !parents.is_empty())))
}

/// The files of the checkout, new ones included, deleted and ignored ones not; each path starts at `root`.
pub(crate) async fn files(root: &Path) -> Vec<String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = ask(root, &list).await.unwrap_or_default();
    let mut files: Vec<String> = listed.split('\0').filter(|file| root.join(file).is_file()).map(Into::into).collect();
    files.sort_unstable();
    files
}

/// The folder that holds the whole checkout.
pub(crate) async fn root(folder: &Path) -> Option<PathBuf> {
    ask(folder, &["rev-parse", "--show-toplevel"]).await.map(PathBuf::from)
}

/// The address of the remote `origin`, else of the only one.
pub(crate) async fn remote(folder: &Path) -> Option<String> {
    let remotes = ask(folder, &["remote"]).await?;
    let only = Some(remotes.as_str()).filter(|names| names.lines().count() == 1);
    let name = remotes.lines().find(|name| *name == "origin").or(only)?;
    ask(folder, &["remote", "get-url", name]).await
}

/// The branch that `origin` shows first, else the one that is checked out.
pub(crate) async fn main_branch(folder: &Path) -> Option<String> {
    let of_origin = ask(folder, &["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]).await;
    match of_origin.as_deref().and_then(|name| name.strip_prefix("origin/")) {
        Some(branch) => Some(branch.to_owned()),
        None => ask(folder, &["symbolic-ref", "--short", "HEAD"]).await,
    }
}

/// The main branch and the possible releases of another repository, with their commits. git runs in `/`, so that the
/// configuration of this checkout does not apply, and never asks for a password.
pub(crate) async fn refs(url: &str) -> Option<String> {
    let mut git = git(Path::new("/"));
    git.envs(REMOTE_ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs([("GIT_ALLOW_PROTOCOL", "https:file"), ("GIT_TERMINAL_PROMPT", "0")])
        .args(["-c", "core.askPass=true", "ls-remote", url, "HEAD", "refs/tags/v*"]);
    timeout(REMOTE_MAX, answer(git)).await.ok()?
}

async fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = git(folder);
    git.args(arguments);
    answer(git).await
}

/// The answer without blanks around it; nothing if git is not there or has none.
async fn answer(mut git: Command) -> Option<String> {
    let output = git.output().await.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

/// git in a folder, so that it only looks: no program is run that a configuration or a variable names (a hook, a file
/// monitor, a pager, one that verifies signatures), and nothing that is not here is fetched.
///
/// In a container the checkout often belongs to another user, and git would not read it. This very folder is trusted all
/// the same, and no other: a folder above it may have been put there by an attacker. Who works below such a checkout
/// says so as usual (`git config --global --add safe.directory`), or hands in the commit.
fn git(folder: &Path) -> Command {
    let mut trusted = OsString::from("safe.directory=");
    trusted.push(folder.canonicalize().as_deref().unwrap_or(folder));
    let mut git = Command::new("git");
    git.current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env_clear()
        .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs([("GIT_ALLOW_PROTOCOL", "none"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_OPTIONAL_LOCKS", "0")])
        .args(["--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .args(["-c", "log.showSignature=false", "-c"])
        .arg(trusted);
    git
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, process::Command as Process};

    use tempfile::TempDir;

    use super::*;

    const ABSENT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// Runs git as the user would, and gives it this input.
    fn run(folder: &Path, arguments: &[&str], input: &str) -> String {
        let mut child = Process::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.hooksPath=/dev/null"])
            .args(arguments)
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A checkout whose configuration names a program, which leaves a file, wherever git lets one be named.
    fn hostile() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| run(folder.path(), arguments, "");
        git(&["init", "--quiet"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        // Signed, so that there is something to verify.
        let commit = git(&["cat-file", "commit", "HEAD"]);
        let signed = commit.replacen(
            "\n\n",
            "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n",
            1,
        );
        let signed = run(folder.path(), &["hash-object", "-t", "commit", "-w", "--stdin"], &(signed + "\n"));
        git(&["reset", "--quiet", "--hard", &signed]);
        std::fs::write(folder.path().join("file"), "untracked").unwrap();
        let program = folder.path().join("hooks/program");
        std::fs::create_dir(folder.path().join("hooks")).unwrap();
        let script = format!("#!/bin/sh\ntouch '{}/ran'\n", folder.path().display());
        for name in ["program", "post-index-change", "fsmonitor-watchman", "reference-transaction"] {
            let path = folder.path().join("hooks").join(name);
            let write = ["-c", "printf %s \"$1\" >\"$0\" && chmod +x \"$0\""];
            assert!(Process::new("sh").args(write).arg(path).arg(&script).status().unwrap().success());
        }
        for (key, value) in [
            ("core.hooksPath", "hooks"),
            ("core.fsmonitor", program.to_str().unwrap()),
            ("core.pager", program.to_str().unwrap()),
            ("core.sshCommand", program.to_str().unwrap()),
            ("core.askPass", program.to_str().unwrap()),
            ("credential.helper", program.to_str().unwrap()),
            ("diff.external", program.to_str().unwrap()),
            ("gpg.program", program.to_str().unwrap()),
            ("log.showSignature", "true"),
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.url", "ssh://nowhere.invalid/acme/hello"),
        ] {
            git(&["config", key, value]);
        }
        let _ = std::fs::remove_file(folder.path().join("ran"));
        folder
    }

    #[tokio::test]
    async fn nothing_that_a_checkout_names_is_run() {
        let folder = hostile();
        let (folder, ran) = (folder.path(), folder.path().join("ran"));
        let head = commit_of(folder, "HEAD").await.unwrap();
        assert!(!ran.exists(), "by looking for HEAD");
        assert_eq!(time_and_parents(folder, &head).await, Some((1_700_000_000, None)));
        assert!(!ran.exists(), "by asking for the time of a signed commit");
        assert_eq!(time_and_parents(folder, ABSENT).await, None);
        assert!(!ran.exists(), "by asking for a commit that would have to be fetched");
        assert_eq!(remote(folder).await.as_deref(), Some("ssh://nowhere.invalid/acme/hello"));
        assert!(root(folder).await.is_some() && main_branch(folder).await.is_some() && !ran.exists());
        assert_eq!(ask(folder, &["status", "--porcelain", "file"]).await.as_deref(), Some("?? file"));
        assert!(!ran.exists(), "by asking for what was changed");
    }

    /// git has a variable for its own tests that makes every checkout one of another user.
    async fn is_read_as_another_users(folder: &Path) -> bool {
        let mut git = git(folder);
        git.env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1").args(["rev-parse", "HEAD"]);
        git.output().await.unwrap().status.success()
    }

    #[tokio::test]
    async fn a_checkout_of_another_user_is_read_where_we_are_and_nowhere_above() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["init", "--quiet"], "");
        run(folder.path(), &["commit", "--quiet", "--allow-empty", "--message", "a change"], "");
        let (below, link) = (folder.path().join("below"), folder.path().join("link"));
        std::fs::create_dir(&below).unwrap();
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(is_read_as_another_users(folder.path()).await && is_read_as_another_users(&link).await);
        assert!(!is_read_as_another_users(&below).await);
        assert!(commit_of(&below, "HEAD").await.is_some(), "our own is read from below, too");
    }
}
