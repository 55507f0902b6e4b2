//! The flags that stand above the configuration file.
//!
//! Values are taken as text and checked by [`load`](super::load), so that a flag and the file get the same messages and
//! the same exit code. A flag or variable that is set to nothing counts as absent: workflows pass empty inputs through.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::origin::{Given, Origin};

/// The title over these flags in help texts. Given flag by flag: `next_help_heading` would also cover what follows them.
const HEADING: &str = "Configuration";

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// Reads this configuration file; without the flag, `publish.toml` is read where it exists
    #[arg(
        long,
        value_name = "FILE",
        env = "TALLYMAN_CONFIG",
        hide_env_values = true,
        value_parser = path(),
        help_heading = HEADING
    )]
    pub config: Option<PathBuf>,

    /// Names the image, owner/name; by default the repository on GitHub. Registries that are not configured derive
    /// their repository from it
    #[arg(long, value_name = "OWNER/NAME", env = "TALLYMAN_IMAGE", hide_env_values = true, help_heading = HEADING)]
    pub image: Option<String>,

    /// Builds from this file; by default `Containerfile`, else `Dockerfile`, in the build context
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        env = "TALLYMAN_CONTAINERFILE",
        hide_env_values = true,
        value_parser = path(),
        help_heading = HEADING
    )]
    pub containerfile: Option<PathBuf>,

    /// Takes what the build copies from this folder; by default the current one
    #[arg(
        long,
        value_name = "FOLDER",
        env = "TALLYMAN_CONTEXT",
        hide_env_values = true,
        value_parser = path(),
        help_heading = HEADING
    )]
    pub context: Option<PathBuf>,

    /// Builds for these platforms, divided by commas; by default linux/amd64,linux/arm64
    #[arg(
        long,
        value_name = "LIST",
        env = "TALLYMAN_PLATFORMS",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub platforms: Vec<String>,

    /// Publishes to this repository, as name=host/repository, for example ghcr=ghcr.io/acme/hello; repeat the flag for
    /// each registry. Replaces the configured list; a registry configured under the same name keeps its other settings
    #[arg(
        long = "registry",
        value_name = "NAME=HOST/REPOSITORY",
        env = "TALLYMAN_REGISTRIES",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub registries: Vec<String>,

    /// Publishes to this user's or organisation's repository on Docker Hub, where no registries are configured; by default
    /// the image's owner
    #[arg(
        long,
        value_name = "NAME",
        env = "TALLYMAN_DOCKERHUB_NAMESPACE",
        hide_env_values = true,
        help_heading = HEADING
    )]
    pub dockerhub_namespace: Option<String>,

    /// Speaks plain HTTP with this registry, host or host:port, for tests; localhost needs no saying
    #[arg(
        long,
        value_name = "HOST",
        env = "TALLYMAN_PLAIN_HTTP",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub plain_http: Vec<String>,

    /// Hands this argument to the build, as KEY=VALUE, in addition to the configured ones; repeatable. Never a secret:
    /// arguments stay readable in the image's history
    #[arg(long = "build-arg", value_name = "KEY=VALUE", help_heading = HEADING)]
    pub build_args: Vec<String>,

    /// Waits this long before the second attempt of a registry operation and twice as long before the third; by default
    /// 2s, may be in milliseconds, 500ms
    #[arg(long, value_name = "WAIT", env = "TALLYMAN_RETRY_BASE", hide_env_values = true, help_heading = HEADING)]
    pub retry_base: Option<String>,

    /// Keeps steps of builds here for later builds, as host/repository, for example ghcr.io/acme/hello-cache, to which
    /// each platform's name is added; off, which is the default, switches off what is configured
    #[arg(long, value_name = "HOST/REPOSITORY", env = "TALLYMAN_CACHE", hide_env_values = true, help_heading = HEADING)]
    pub cache: Option<String>,

    /// Removes steps from the layer cache that are older than this, in days or hours (30d, 12h), and of no use to the build
    /// at hand; by default 30d; off keeps them all
    #[arg(long, value_name = "AGE", env = "TALLYMAN_CACHE_MAX_AGE", hide_env_values = true, help_heading = HEADING)]
    pub cache_max_age: Option<String>,

    /// Removes the image that latest pointed at before: after the tag has moved (the default), before it is set, or off
    #[arg(
        long,
        value_name = "after|before|off",
        env = "TALLYMAN_CLEANUP",
        hide_env_values = true,
        help_heading = HEADING
    )]
    pub cleanup: Option<String>,

    /// Removes images from this registry by this interface, as name=driver: github, dockerhub, distribution or none; by
    /// default as the registry's host tells; repeat the flag for each registry
    #[arg(
        long = "driver",
        value_name = "NAME=DRIVER",
        env = "TALLYMAN_DRIVERS",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = HEADING
    )]
    pub drivers: Vec<String>,
}

/// A path that may be empty, unlike clap's own.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

pub(super) const IMAGE: Origin = Origin::Flag { flag: "--image", variable: Some("TALLYMAN_IMAGE") };
pub(super) const PLATFORMS: Origin = Origin::Flag { flag: "--platforms", variable: Some("TALLYMAN_PLATFORMS") };
pub(super) const REGISTRIES: Origin = Origin::Flag { flag: "--registry", variable: Some("TALLYMAN_REGISTRIES") };
pub(super) const DOCKERHUB_NAMESPACE: Origin =
    Origin::Flag { flag: "--dockerhub-namespace", variable: Some("TALLYMAN_DOCKERHUB_NAMESPACE") };
pub(super) const PLAIN_HTTP: Origin = Origin::Flag { flag: "--plain-http", variable: Some("TALLYMAN_PLAIN_HTTP") };
pub(super) const BUILD_ARGS: Origin = Origin::Flag { flag: "--build-arg", variable: None };
pub(super) const RETRY_BASE: Origin = Origin::Flag { flag: "--retry-base", variable: Some("TALLYMAN_RETRY_BASE") };
pub(super) const CLEANUP: Origin = Origin::Flag { flag: "--cleanup", variable: Some("TALLYMAN_CLEANUP") };
pub(super) const CACHE: Origin = Origin::Flag { flag: "--cache", variable: Some("TALLYMAN_CACHE") };
pub(super) const CACHE_MAX_AGE: Origin =
    Origin::Flag { flag: "--cache-max-age", variable: Some("TALLYMAN_CACHE_MAX_AGE") };
pub(super) const DRIVERS: Origin = Origin::Flag { flag: "--driver", variable: Some("TALLYMAN_DRIVERS") };

/// A flag's text, unless it is empty.
pub(super) fn text(value: Option<&String>, origin: Origin) -> Option<Given<String>> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty()).map(|text| Given::new(text.into(), origin))
}

/// A flag's path, unless it is empty.
pub(super) fn nonempty(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// A flag's list, unless nothing but an empty text was given.
pub(super) fn list(values: &[String], origin: &Origin) -> Option<Vec<Given<String>>> {
    let entries: Vec<_> = values.iter().map(|value| Given::new(value.trim().to_owned(), origin.clone())).collect();
    (!entries.iter().all(|entry| entry.value.is_empty())).then_some(entries)
}
