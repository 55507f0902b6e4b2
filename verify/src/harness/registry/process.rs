//! distribution as a child process, on a port that it chooses itself.
//!
//! A shell is its parent and waits for the end of its own input. That comes when [`Process`] is dropped, and also when this
//! process is killed; then the shell kills the registry. Both are in a process group of their own, so that an interrupt from
//! the terminal does not end the shell too early.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    config::{self, LISTENING},
    storage::Storage,
};
use crate::harness::{error::HarnessError, token::Auth};

/// The registry's program.
pub(super) const PROGRAM: &str = "docker-registry";
/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(20);
/// How many of its last lines an error quotes.
const LINES_QUOTED: usize = 5;
/// Starts its arguments, keeps the log for them alone, and kills them when its own input ends.
const KEEPER: &str = r#""$@" & exec 2>/dev/null; read -r _; kill -9 $!; wait"#;

/// A running registry.
pub(super) struct Process {
    /// Where it listens.
    pub(super) host: String,
    keeper: Child,
}

impl Process {
    /// Starts a registry on a storage and waits until it listens.
    pub(super) async fn start(storage: &Storage, auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let config = config::write(storage, storage.folder(), "127.0.0.1:0", auth)?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", PROGRAM, "serve", &config])
            .current_dir(storage.folder())
            // The registry takes every variable REGISTRY_… for a setting.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(config::RUNTIME)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(HarnessError::io("cannot run sh"))?;
        let log = keeper.stderr.take();
        let mut started = Self { host: String::new(), keeper };
        started.host = listening(log).await?;
        Ok(started)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Closes the keeper's input first.
        let _ = self.keeper.wait();
    }
}

/// The address in a registry's log. A thread reads the log to its end: a full pipe would stop the registry.
async fn listening(log: Option<impl Read + Send + 'static>) -> Result<String, HarnessError> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut sender = Some(sender);
        let mut last = VecDeque::new();
        let lines = log.into_iter().flat_map(|log| BufReader::new(log).lines());
        for line in lines.map_while(Result::ok) {
            if let Some(host) = address(&line)
                && let Some(sender) = sender.take()
            {
                let _ = sender.send(Ok(host));
            }
            last.push_back(line);
            if last.len() > LINES_QUOTED {
                last.pop_front();
            }
        }
        if let Some(sender) = sender {
            let _ = sender.send(Err(Vec::from(last).join("\n")));
        }
    });
    match timeout(START_MAX, receiver).await {
        Ok(Ok(Ok(host))) => Ok(host),
        Ok(Ok(Err(said))) if said.contains(PROGRAM) && said.contains("not found") => {
            Err(HarnessError::ProgramMissing { program: PROGRAM.to_owned() })
        }
        Ok(Ok(Err(said))) => Err(HarnessError::NotStarted { said }),
        Ok(Err(_)) | Err(_) => Err(HarnessError::NotStarted { said: format!("silent for {START_MAX:?}") }),
    }
}

/// The address in the line that has one.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(LISTENING)?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit())?;
    Some(rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"time="…" level=info msg="listening on 127.0.0.1:41893" version=2.8.3"#;

    #[tokio::test]
    async fn the_address_is_read_from_the_log() {
        assert_eq!(listening(Some(LINE.as_bytes())).await.unwrap(), "127.0.0.1:41893");
    }

    #[rstest::rstest]
    #[case("config is wrong\n", "config is wrong")]
    #[case("sh: 1: docker-registry: not found\n", "the program docker-registry is missing")]
    #[tokio::test]
    async fn a_failed_start_is_reported(#[case] log: &'static str, #[case] expected: &str) {
        let error = listening(Some(log.as_bytes())).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
