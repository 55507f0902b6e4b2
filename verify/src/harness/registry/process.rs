//! The real registry as a child process, on a port that it chooses itself.
//!
//! A shell stands between it and us and waits for the end of its input, which comes when we drop it and also when we are
//! killed: then the shell ends the registry. Both are a process group of their own, so that an interrupt from the terminal
//! does not end the shell before its work is done.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

use super::{
    config::{self, LISTENING},
    filesystem::Storage,
};
use crate::harness::{contents::Contents, error::HarnessError, sweep, token::Auth};

/// The registry's program.
pub(super) const PROGRAM: &str = "docker-registry";
/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(20);
/// How many of its last lines are told when it does not start.
const LINES_TOLD: usize = 5;
/// Starts what it is given, lets nobody but that hold the log, and ends it when its own input ends.
const KEEPER: &str = r#""$@" & exec 2>/dev/null; read -r _; kill -9 $!; wait"#;

/// A running registry.
pub(super) struct Process {
    host: String,
    keeper: Child,
    /// Removed after the registry that uses it has ended.
    folder: TempDir,
}

impl Process {
    /// Starts the registry and waits until it listens.
    pub(super) async fn start(auth: Option<&Auth>) -> Result<Self, HarnessError> {
        let folder = sweep::folder()?;
        config::write(folder.path(), folder.path(), "127.0.0.1:0", auth)?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", PROGRAM, "serve", config::FILE])
            .current_dir(folder.path())
            // The registry takes every variable REGISTRY_… for a setting.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(HarnessError::io("cannot run sh"))?;
        let log = keeper.stderr.take();
        let mut started = Self { host: String::new(), keeper, folder };
        started.host = listening(log).await?;
        Ok(started)
    }

    /// Where it listens.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What it holds.
    pub(super) fn contents(&self) -> Arc<dyn Contents> {
        Arc::new(Storage::new(self.folder.path()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Closes the keeper's input first.
        let _ = self.keeper.wait();
    }
}

/// The address in a registry's log. A thread reads it to its end: a full pipe would stop the registry.
async fn listening(log: Option<impl Read + Send + 'static>) -> Result<String, HarnessError> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let mut tell = Some(tell);
        let mut last = VecDeque::new();
        let lines = log.into_iter().flat_map(|log| BufReader::new(log).lines());
        for line in lines.map_while(Result::ok) {
            if let Some(host) = address(&line)
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(Ok(host));
            }
            last.push_back(line);
            if last.len() > LINES_TOLD {
                last.pop_front();
            }
        }
        if let Some(tell) = tell {
            let _ = tell.send(Err(Vec::from(last).join("\n")));
        }
    });
    match timeout(START_MAX, told).await {
        Ok(Ok(Ok(host))) => Ok(host),
        Ok(Ok(Err(said))) if said.contains(PROGRAM) && said.contains("not found") => {
            Err(HarnessError::ProgramMissing { program: PROGRAM.to_owned() })
        }
        Ok(Ok(Err(said))) => Err(HarnessError::NotStarted { said }),
        Ok(Err(_)) | Err(_) => Err(HarnessError::NotStarted { said: format!("silent for {START_MAX:?}") }),
    }
}

/// The address in a line that tells one.
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
    async fn the_log_tells_where_it_listens() {
        assert_eq!(listening(Some(LINE.as_bytes())).await.unwrap(), "127.0.0.1:41893");
    }

    #[rstest::rstest]
    #[case("config is wrong\n", "config is wrong")]
    #[case("sh: 1: docker-registry: not found\n", "the program docker-registry is missing")]
    #[tokio::test]
    async fn one_that_does_not_start_is_told_apart(#[case] log: &'static str, #[case] expected: &str) {
        let error = listening(Some(log.as_bytes())).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[tokio::test]
    async fn dropped_it_takes_its_folder_along() {
        let registry = Process::start(None).await.unwrap();
        let folder = registry.folder.path().to_owned();
        assert!(folder.join(config::FILE).exists());
        drop(registry);
        assert!(!folder.exists());
    }
}
