//! Asks a credential helper: `docker-credential-<name> get` reads a registry's name from its input and writes an account as
//! JSON (docker-credential-helpers). A secret is never an argument, and never part of an error.

use std::{path::Path, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::look::Credentials;

/// How long a helper may take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
/// What helpers say of a registry that they do not know.
const UNKNOWN: &str = "credentials not found";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks for the account on a server; none if the helper knows none.
///
/// # Errors
/// A helper that does not do its part, in words.
pub(super) async fn ask(program: &Path, server: &str) -> Result<Option<Credentials>, String> {
    let (success, answer) = match timeout(HELPER_TIMEOUT, run(program, server)).await {
        Ok(ran) => ran.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("it gives no answer within {} s", HELPER_TIMEOUT.as_secs())),
    };
    if !success {
        let unknown = String::from_utf8_lossy(&answer).contains(UNKNOWN);
        return if unknown { Ok(None) } else { Err("it failed".to_owned()) };
    }
    let Answer { username, secret } =
        serde_json::from_slice(&answer).map_err(|_| "its answer is no account".to_owned())?;
    Ok((!secret.is_empty()).then_some(Credentials { user: username, password: secret }))
}

async fn run(program: &Path, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that answers without reading is not at fault.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    Ok((output.status.success(), output.stdout))
}
