//! The files that a build needs: the context and the Containerfile.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{Config, ConfigError};

/// The names under which a build's description is looked for, in this order.
const CONTAINERFILES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// The Containerfile that a context holds: the first that exists under one of the usual names, else the one that should.
pub(super) fn default_containerfile(context: &Path) -> PathBuf {
    let candidates = CONTAINERFILES.map(|name| context.join(name));
    // A dangling link counts as existing: passing over it would build something else without a word.
    let found = candidates.iter().find(|path| path.symlink_metadata().is_ok()).cloned();
    found.unwrap_or_else(|| context.join(CONTAINERFILES[0]))
}

impl Config {
    /// Looks whether there is something to build. Apart from [`load`](super::load) because merging and cleaning up need
    /// no sources, and their jobs may have none.
    ///
    /// # Errors
    /// When the context is no folder, or the Containerfile is missing or unreadable.
    pub fn check_sources(&self) -> Result<(), ConfigError> {
        if !self.context.is_dir() {
            return Err(ConfigError::NoContext(self.context.display().to_string()));
        }
        match readable(&self.containerfile) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.nothing_to_find() => {
                Err(ConfigError::NoContainerfile(self.context.display().to_string()))
            }
            Err(source) => Err(ConfigError::Unreadable { file: self.containerfile.display().to_string(), source }),
        }
    }

    /// Whether the Containerfile was not chosen but looked for, and nothing was found.
    fn nothing_to_find(&self) -> bool {
        let default = default_containerfile(&self.context);
        self.containerfile == default && default.symlink_metadata().is_err()
    }
}

fn readable(path: &Path) -> io::Result<()> {
    if File::open(path)?.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
}
