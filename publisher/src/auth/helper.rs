//! Asks a credential helper (docker-credential-helpers protocol): `docker-credential-<name> get` reads the registry's
//! name from its input and writes the credential as JSON.
//!
//! Neither the registry's name nor the answer is ever an argument or part of an error.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::{Credential, Secret};
use crate::environment::Environment;

/// How long a helper may take: it may have to ask the user for a passphrase.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a helper's answer is read, in bytes.
const ANSWER_MAX: u64 = 256 * 1024;
/// What a helper writes when it has no credential (`errCredentialsNotFoundMessage` of docker-credential-helpers).
const NOT_FOUND: &str = "credentials not found";
/// The user name that marks the secret as an identity token.
pub(super) const IDENTITY_TOKEN_USER: &str = "<token>";

/// Asks a program for the credential of `server`; [`None`] if it has none.
///
/// # Errors
/// The program is not there, cannot be run, fails, takes longer than [`HELPER_TIMEOUT`] or answers with something else.
pub(super) async fn get(env: &Environment, program: &str, server: &str) -> io::Result<Option<Credential>> {
    let path = in_path(env, program).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not in the PATH"))?;
    let late = |_| io::Error::other(format!("it gave no answer within {} seconds", HELPER_TIMEOUT.as_secs()));
    let (status, answer) = timeout(HELPER_TIMEOUT, run(env, &path, server)).await.map_err(late)??;
    if !status.success() {
        let unknown = String::from_utf8_lossy(&answer).contains(NOT_FOUND);
        return if unknown { Ok(None) } else { Err(io::Error::other(format!("it failed: {status}"))) };
    }
    // serde's message would quote the answer.
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| io::Error::other("its answer is no credential"))?;
    let field = |name: &str| answer[name].as_str().unwrap_or_default();
    Ok(match (field("Username"), field("Secret")) {
        (_, "") => None,
        (IDENTITY_TOKEN_USER, token) => Some(Credential::IdentityToken(Secret::new(token))),
        (username, password) => Some(Credential::basic(username, password)),
    })
}

async fn run(env: &Environment, path: &Path, server: &str) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = Command::from(env.command(path))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that answers without reading its input is not at fault.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    }
    Ok((child.wait().await?, answer))
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
