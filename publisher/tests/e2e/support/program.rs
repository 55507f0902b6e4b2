//! The program under test, run with nothing in its environment but what the test says.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::{Child, Command};

/// How long a run may take before the test gives up on it.
const RUN_MAX: Duration = Duration::from_secs(180);
/// What of the caller's environment a run needs: to find programs, and for podman its user's store.
const INHERITED: &[&str] = &["PATH", "HOME", "USER", "XDG_RUNTIME_DIR", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"];

/// A run in the making.
#[derive(Clone)]
pub(crate) struct Program {
    folder: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed to stdout.
    pub(crate) stdout: String,
    /// What it printed to stderr.
    pub(crate) stderr: String,
}

impl Program {
    /// A run in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), arguments: Vec::new(), environment: Vec::new(), wrapper: Vec::new() }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Adds a variable, which replaces an earlier one of the same name.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs the program by another one, whose last arguments it and its own become.
    pub(crate) fn wrapped(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Child {
        let program = std::env::var_os("NEXTEST_BIN_EXE_publisher");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_publisher").into());
        let mut words = self.wrapper.iter().chain([&program]).chain(&self.arguments);
        Command::new(words.next().unwrap())
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self) -> Ended {
        Ended::of(self.start()).await
    }
}

impl Ended {
    /// Waits for a run's end.
    pub(crate) async fn of(child: Child) -> Self {
        let output = tokio::time::timeout(RUN_MAX, child.wait_with_output()).await.expect("the run hangs").unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails the test unless the run ended with this code, and stderr contains all of these.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "nothing says `{text}`:\n{}", self.stderr);
        }
    }
}
