//! The two sources of settings, flags above the file, and where in them a value stands.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Arg, Args as _, Command};

use super::settings::{Settings, Text};
use crate::exit::Failure;

/// The configuration file that is read when no other is named.
pub const CONFIG_FILE: &str = "publish.toml";

/// What flags and file say. A flag or variable that is set to nothing counts as absent: workflows pass empty inputs on.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a Settings,
    pub(super) file: Settings,
    /// The folder of the file.
    pub(super) folder: PathBuf,
    file_name: String,
    file_text: String,
}

impl<'a> Sources<'a> {
    /// Reads the configuration file. One that is not named may be absent.
    pub(super) fn read(directory: &Path, flags: &'a Settings) -> Result<Self, Failure> {
        let named = flags.config.as_deref().filter(|name| !name.is_empty());
        let file_name = named.unwrap_or(CONFIG_FILE).to_owned();
        let path = directory.join(&file_name);
        let file_text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => String::new(),
            Err(error) => return Err(Failure::other(format!("cannot read {file_name}")).because(error)),
        };
        let file = toml::from_str(&file_text).map_err(|error| {
            let (line, column) = position(&file_text, error.span().unwrap_or_default().start);
            Failure::other(format!("{file_name} line {line} column {column}: {}", error.message()))
        })?;
        let folder = path.parent().unwrap_or(directory).into();
        Ok(Self { flags, file, folder, file_name, file_text })
    }

    /// The value of a key: the flag's, else the file's.
    pub(super) fn value<T>(
        &self,
        key: &str,
        get: fn(&Settings) -> Option<&Text>,
        parse: impl FnOnce(&str) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let flag = get(self.flags).filter(|text| !text.value.is_empty());
        flag.or_else(|| get(&self.file)).map(|text| self.parse(key, text, parse)).transpose()
    }

    /// Reads a value; an error names where it stands.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        text: &Text,
        parse: impl FnOnce(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        parse(&text.value).map_err(|failure| {
            let origin = match &text.span {
                Some(span) => format!("`{key}` in {} line {}", self.file_name, position(&self.file_text, span.start).0),
                None => flag(key),
            };
            prefix(&origin, failure)
        })
    }
}

/// Puts the place of a value before an error about it.
pub(super) fn prefix(origin: &str, mut failure: Failure) -> Failure {
    failure.message = format!("{origin}: {}", failure.message);
    failure
}

/// The entries of a flag that is a list; none if nothing but an empty text was given.
pub(super) fn given(list: &[Text]) -> &[Text] {
    if list.iter().all(|text| text.value.is_empty()) { &[] } else { list }
}

/// A flag with the variable that stands in for it; which of the two a value came from is not known.
pub(super) fn flag(name: &str) -> String {
    let command = Settings::augment_args(Command::new("publisher"));
    let variable = command.get_arguments().find(|flag| flag.get_long() == Some(name)).and_then(Arg::get_env);
    match variable {
        Some(variable) => format!("`--{name}` or `{}`", variable.display()),
        None => format!("`--{name}`"),
    }
}

/// Line and column, counted from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
