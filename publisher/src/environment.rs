//! The environment variables of the run, taken once at the start and handed down.
//!
//! Nothing else reads the process's environment, so a test says what the environment is.

use std::{collections::BTreeMap, ffi::OsStr, fmt, process::Command};

/// Secrets that other programs never get, besides those that the configuration names.
const SECRETS: &[&str] =
    &["GITHUB_TOKEN", "GH_TOKEN", "DOCKERHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// Variables by name. A variable that is set to nothing counts as absent, as GitHub sets missing secrets to `""`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Names of secrets beside [`SECRETS`].
    withheld: Vec<String>,
}

impl Environment {
    /// The environment of this process; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
    }

    /// The value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same, with more variables that no other program gets.
    #[must_use]
    pub fn withholding<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.withheld.extend(names.into_iter().map(Into::into));
        self
    }

    /// Another program, which gets all of this process's environment but the secrets: what podman and credential helpers
    /// need of it is not known.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in SECRETS.iter().copied().chain(self.withheld.iter().map(String::as_str)) {
            command.env_remove(name);
        }
        command
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { variables, withheld: Vec::new() }
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
