//! What a configuration is loaded from in a test: a folder, flags and variables.

use std::{fs, path::Path};

use clap::{CommandFactory, FromArgMatches, Parser};
use tempfile::TempDir;

use crate::{
    config::{Config, Settings, load},
    environment::Environment,
    exit::{Exit, Failure},
};

/// A command that takes the flags.
#[derive(Parser)]
pub(super) struct Command {
    #[command(flatten)]
    _settings: Settings,
}

/// A folder with `publish.toml`, the flags and the variables of a run.
pub(super) struct Run {
    folder: TempDir,
    flags: Vec<String>,
    env: Environment,
}

impl Run {
    pub(super) fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("publish.toml"), toml).unwrap();
        Self { folder, flags: Vec::new(), env: Environment::default() }.on_github("Acme/Hello")
    }

    pub(super) fn bare() -> Self {
        let run = Self::new("");
        fs::remove_file(run.path().join("publish.toml")).unwrap();
        run
    }

    pub(super) fn on_github(mut self, repository: &str) -> Self {
        self.env =
            [("GITHUB_REPOSITORY", repository), ("GITHUB_SERVER_URL", "https://github.com")].into_iter().collect();
        self
    }

    pub(super) fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.env = variables.iter().copied().collect();
        self
    }

    pub(super) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(ToString::to_string).collect();
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn load(&self) -> Result<Config, Failure> {
        let arguments = std::iter::once("publisher").chain(self.flags.iter().map(String::as_str));
        // The variables of whoever runs the tests are kept out.
        let command = Command::command().mut_args(|flag| flag.env(None));
        let settings = Settings::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap();
        load(self.path(), &settings, &self.env)
    }

    pub(super) fn config(&self) -> Config {
        self.load().unwrap()
    }

    /// The message, its causes and the hint, as a user sees them, without the name of the temporary folder.
    pub(super) fn refusal(&self) -> String {
        self.shown(&self.load().unwrap_err())
    }

    pub(super) fn shown(&self, failure: &Failure) -> String {
        assert_eq!(failure.exit, Exit::Failed);
        let hint = failure.hint.iter().map(|hint| format!("hint: {hint}"));
        let lines: Vec<_> = failure.chain().into_iter().chain(hint).collect();
        lines.join("\n").replace(&self.path().display().to_string(), "[folder]")
    }
}
