//! The variables of this process, or others in their place.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Variables. Empty ones count as not there.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process; what is no text is left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// A variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that names a file or folder.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// A program in the folders of `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        // The name comes from a file: it must not lead elsewhere.
        let plain = Path::new(name).components().count() == 1;
        let mut folders = std::env::split_paths(self.get("PATH").unwrap_or_default()).filter(|it| it.is_absolute());
        folders.find_map(|folder| Some(folder.join(name)).filter(|path| plain && path.is_file()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
