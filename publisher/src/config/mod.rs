//! What is published where: `publish.toml`, flags, environment and defaults, merged into one checked [`Config`].
//!
//! For each setting the first of these wins: flag, `TALLYMAN_` variable, `publish.toml`, GitHub's own variables, built-in
//! default. Every setting is optional. A value that is not understood is an error that names where it was given. The
//! configuration holds the names of secrets, never their values.
//!
//! A setting is declared in `settings` and read in `load`.

mod cache;
mod load;
mod registries;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod values;

pub use cache::CacheConfig;
pub use load::{CONTAINERFILES, Config, DEFAULT_PLATFORMS, load};
pub use registries::{DriverKind, RegistryConfig, SecretNames};
pub use settings::Settings;
pub use sources::CONFIG_FILE;
pub use values::{Cleanup, RETRY_BASE_MAX};
