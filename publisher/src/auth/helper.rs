//! Asks a credential helper (docker-credential-helpers protocol): `docker-credential-<name> get` reads the registry's
//! name from its input and writes the credential as JSON.
//!
//! Neither what it is asked for nor what it answers is ever an argument or part of an error.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

use super::{Credential, Secret};
use crate::environment::Environment;

/// How long a helper may take: it may have to ask the user for a passphrase.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a helper's answer is read, in bytes.
const ANSWER_MAX: u64 = 256 * 1024;
/// What a helper writes when it has no credential (`errCredentialsNotFoundMessage` of docker-credential-helpers).
const NOT_FOUND: &str = "credentials not found";
/// The user name that marks the secret as an identity token.
pub(super) const IDENTITY_TOKEN_USER: &str = "<token>";

/// Why a helper gave no answer.
#[derive(Debug, Clone, Error)]
pub enum HelperError {
    /// No such program.
    #[error("it is not in the PATH")]
    Missing,
    /// The program could not be run.
    #[error("it could not be run")]
    Run(#[source] Arc<io::Error>),
    /// It took longer than [`HELPER_TIMEOUT`].
    #[error("it gave no answer within {} seconds", HELPER_TIMEOUT.as_secs())]
    TimedOut,
    /// It failed.
    #[error("it failed: {0}")]
    Failed(ExitStatus),
    /// It wrote something else than a credential.
    #[error("its answer is no credential")]
    BadAnswer,
}

impl From<io::Error> for HelperError {
    fn from(error: io::Error) -> Self {
        Self::Run(Arc::new(error))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// The program's name for the `name` that an auth file has.
pub(super) fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

/// Asks a program for the credential of `server`; [`None`] if it has none.
pub(super) async fn ask(env: &Environment, program: &str, server: &str) -> Result<Option<Credential>, HelperError> {
    let path = in_path(env, program).ok_or(HelperError::Missing)?;
    let (status, answer) =
        timeout(HELPER_TIMEOUT, run(env, &path, server)).await.map_err(|_| HelperError::TimedOut)??;
    if status.success() {
        return read(&answer);
    }
    if String::from_utf8_lossy(&answer).contains(NOT_FOUND) { Ok(None) } else { Err(HelperError::Failed(status)) }
}

async fn run(env: &Environment, path: &Path, server: &str) -> Result<(ExitStatus, Vec<u8>), HelperError> {
    let mut child = Command::from(env.command(path))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    say(&mut child, server).await?;
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    }
    Ok((child.wait().await?, answer))
}

/// Writes the question and closes the pipe. A helper that answers without reading it is not at fault.
async fn say(child: &mut Child, server: &str) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    match stdin.write_all(server.as_bytes()).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn read(answer: &[u8]) -> Result<Option<Credential>, HelperError> {
    let Answer { username, secret } = serde_json::from_slice(answer).map_err(|_| HelperError::BadAnswer)?;
    Ok(match (username.as_str(), secret) {
        (_, secret) if secret.is_empty() => None,
        (IDENTITY_TOKEN_USER, secret) => Some(Credential::IdentityToken(Secret::new(secret))),
        (_, secret) => Some(Credential::basic(username, secret)),
    })
}

/// The program in the `PATH` of the run. The name comes from a file: one with a `/` would leave the folders of `PATH`;
/// a folder that is not absolute depends on where the run was started.
fn in_path(env: &Environment, program: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::split_paths(env.get("PATH").filter(|_| !program.contains('/'))?);
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(program)).find(is_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_helper_that_does_not_listen_is_not_at_fault() {
        let mut child = Command::new("sh")
            .args(["-c", "exec <&-; echo deaf; exec sleep 600"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Once it has written this, its end of the pipe is closed.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).await.unwrap();
        say(&mut child, "ghcr.io").await.unwrap();
    }
}
