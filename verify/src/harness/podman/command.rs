//! Calls of podman by the harness itself.

use std::{collections::BTreeMap, ffi::OsStr, io, process::Stdio, time::Duration};

use tokio::process::Command;

use crate::harness::HarnessError;

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(120);

/// What a call came to.
pub(super) struct Called {
    pub(super) success: bool,
    /// What it printed, trimmed.
    pub(super) stdout: String,
    /// What it printed to stderr, trimmed.
    pub(super) stderr: String,
}

/// Calls podman with some more variables.
pub(super) async fn podman<A: AsRef<OsStr>>(
    environment: &BTreeMap<String, String>,
    arguments: &[A],
) -> Result<Called, HarnessError> {
    let call = Command::new("podman")
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CALL_MAX, call)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HarnessError::ProgramMissing { program: "podman".into() },
            _ => HarnessError::io("cannot call podman")(error),
        })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Called { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// podman's version: `5.8.1`.
pub(super) async fn version() -> Result<String, HarnessError> {
    podman(&BTreeMap::new(), &["version", "--format", "{{.Client.Version}}"]).await?.ok("tell its version")
}

impl Called {
    /// What it printed, if it succeeded.
    pub(super) fn ok(self, what: &str) -> Result<String, HarnessError> {
        if self.success { Ok(self.stdout) } else { Err(HarnessError::engine(what)(self.stderr)) }
    }
}
