//! What is published where: `publish.toml`, flags, environment and defaults, merged into one checked [`Config`].
//!
//! For each setting the first that says something wins: flag, `TALLYMAN_…` variable, `publish.toml`, GitHub's own
//! variables, built-in default. Every setting is optional. Whatever is not understood is an error that names where it
//! was given; nothing is ever guessed or left out silently. Names of secrets stand here, their values never do.

mod cache;
mod cleanup;
mod duration;
mod error;
mod file;
mod image;
mod load;
mod origin;
mod overrides;
mod registries;
mod section;
mod sources;

#[cfg(test)]
mod tests;

pub use cache::CacheConfig;
pub use cleanup::{Cleanup, DriverKind};
pub use duration::RETRY_BASE_MAX;
pub use error::ConfigError;
pub use load::{CONFIG_FILE, Config, DEFAULT_PLATFORMS, load};
pub use origin::Origin;
pub use overrides::Overrides;
pub use registries::{RegistryConfig, SecretNames};
