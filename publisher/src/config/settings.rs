//! Every setting, declared once: its key in `publish.toml`, its flag and its variable.
//!
//! The same structure holds what the file says and what the command line says. Values stay text here: `load` checks both
//! alike, so that a flag and the file get the same messages and the same exit code.

use std::{collections::BTreeMap, ops::Range};

use clap::Args;
use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Spanned;

/// The settings of one source: the file, or the command line.
///
/// Its flags come last in a command: the heading would also cover those that follow.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[command(next_help_heading = "Configuration")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Reads this configuration file; without the flag, `publish.toml` is read where it exists
    #[arg(long, value_name = "FILE", env = "TALLYMAN_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub config: Option<String>,

    /// Names the image, owner/name; by default the repository on GitHub. Registries that are not configured derive
    /// their repository from it
    #[arg(long, value_name = "OWNER/NAME", env = "TALLYMAN_IMAGE", hide_env_values = true)]
    pub image: Option<Text>,

    /// Builds from this file; by default `Containerfile`, else `Dockerfile`, in the build context
    #[arg(short = 'f', long, value_name = "FILE", env = "TALLYMAN_CONTAINERFILE", hide_env_values = true)]
    pub containerfile: Option<String>,

    /// Takes what the build copies from this folder; by default the current one
    #[arg(long, value_name = "FOLDER", env = "TALLYMAN_CONTEXT", hide_env_values = true)]
    pub context: Option<String>,

    /// Builds for these platforms, divided by commas; by default linux/amd64,linux/arm64
    #[arg(long, value_name = "LIST", env = "TALLYMAN_PLATFORMS", hide_env_values = true, value_delimiter = ',')]
    #[serde(deserialize_with = "not_empty")]
    pub platforms: Vec<Text>,

    /// Publishes to this repository, as name=host/repository, for example ghcr=ghcr.io/acme/hello; repeat the flag for
    /// each registry. Replaces the configured list; a registry configured under the same name keeps its other settings
    #[arg(long = "registry", value_name = "NAME=HOST/REPOSITORY", value_delimiter = ',')]
    #[arg(env = "TALLYMAN_REGISTRIES", hide_env_values = true)]
    #[serde(skip)]
    pub registries: Vec<Text>,

    /// The tables `[[registry]]`.
    #[arg(skip)]
    #[serde(rename = "registry", deserialize_with = "not_empty")]
    pub registry_tables: Vec<RegistryTable>,

    /// Publishes to this user's or organisation's repository on Docker Hub, where no registries are configured; by default
    /// the image's owner
    #[arg(long, value_name = "NAME", env = "TALLYMAN_DOCKERHUB_NAMESPACE", hide_env_values = true)]
    pub dockerhub_namespace: Option<Text>,

    /// Speaks plain HTTP with this registry, host or host:port, for tests; localhost does not need it
    #[arg(long, value_name = "HOST", env = "TALLYMAN_PLAIN_HTTP", hide_env_values = true, value_delimiter = ',')]
    #[serde(skip)]
    pub plain_http: Vec<Text>,

    /// Hands this argument to the build, as KEY=VALUE, in addition to the configured ones; repeatable. Never a secret:
    /// arguments stay readable in the image's history
    #[arg(long = "build-arg", value_name = "KEY=VALUE")]
    #[serde(skip)]
    pub build_arg: Vec<String>,

    /// The table `[build-args]`.
    #[arg(skip)]
    pub build_args: BTreeMap<String, Text>,

    /// Whether the image is meant to have a health check.
    #[arg(skip)]
    pub healthcheck: Option<bool>,

    /// Waits this long before the second attempt of a registry operation and twice as long before the third; by default
    /// 2s, may be in milliseconds, 500ms
    #[arg(long, value_name = "WAIT", env = "TALLYMAN_RETRY_BASE", hide_env_values = true)]
    pub retry_base: Option<Text>,

    /// Keeps steps of builds here for later builds, as host/repository, for example ghcr.io/acme/hello-cache, to which
    /// each platform's name is added; off, which is the default, switches off what is configured
    #[arg(long, value_name = "HOST/REPOSITORY", env = "TALLYMAN_CACHE", hide_env_values = true)]
    pub cache: Option<Text>,

    /// Removes steps from the layer cache that are older than this, in days or hours (30d, 12h), and that the build
    /// at hand does not use; by default 30d; off keeps them all
    #[arg(long, value_name = "AGE", env = "TALLYMAN_CACHE_MAX_AGE", hide_env_values = true)]
    pub cache_max_age: Option<Text>,

    /// Removes the image that latest pointed at before: after the tag has moved (the default), before it is set, or off
    #[arg(long, value_name = "after|before|off", env = "TALLYMAN_CLEANUP", hide_env_values = true)]
    pub cleanup: Option<Text>,

    /// Removes images from this registry by this interface, as name=driver: github, dockerhub, distribution or none; by
    /// default the one that fits the registry's host; repeat the flag for each registry
    #[arg(long = "driver", value_name = "NAME=DRIVER", value_delimiter = ',')]
    #[arg(env = "TALLYMAN_DRIVERS", hide_env_values = true)]
    #[serde(skip)]
    pub drivers: Vec<Text>,
}

/// One `[[registry]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryTable {
    pub(super) name: Text,
    pub(super) repository: Text,
    pub(super) plain_http: Option<bool>,
    pub(super) username_env: Option<Text>,
    pub(super) password_env: Option<Text>,
    pub(super) driver: Option<Text>,
}

/// A value as it was written.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Spanned<String>")]
pub struct Text {
    pub(super) value: String,
    /// Which bytes of the configuration file it is, if it is there.
    pub(super) span: Option<Range<usize>>,
}

impl From<Spanned<String>> for Text {
    fn from(spanned: Spanned<String>) -> Self {
        Self { span: Some(spanned.span()), value: spanned.into_inner() }
    }
}

/// A value of the command line.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { value: text.trim().into(), span: None }
    }
}

fn not_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() { Err(D::Error::custom("the list is empty, leave it out to get the default")) } else { Ok(list) }
}
