//! The configuration file: which keys it may have and what type each is. What the values mean is decided elsewhere.

use super::{
    ConfigError,
    origin::Given,
    section::{Document, Section},
};

const KEYS: &[&str] = &[
    "image",
    "containerfile",
    "context",
    "platforms",
    "build-args",
    "registry",
    "dockerhub-namespace",
    "healthcheck",
    "retry-base",
    "cleanup",
    "cache",
    "cache-max-age",
];
const REGISTRY_KEYS: &[&str] = &["name", "repository", "plain-http", "username-env", "password-env", "driver"];

/// What the configuration file says; all of it may be absent.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) image: Option<Given<String>>,
    pub(super) containerfile: Option<Given<String>>,
    pub(super) context: Option<Given<String>>,
    pub(super) platforms: Option<Vec<Given<String>>>,
    pub(super) build_args: Vec<(String, Given<String>)>,
    pub(super) registries: Option<Vec<RegistryTable>>,
    pub(super) dockerhub_namespace: Option<Given<String>>,
    pub(super) healthcheck: Option<bool>,
    pub(super) retry_base: Option<Given<String>>,
    pub(super) cleanup: Option<Given<String>>,
    pub(super) cache: Option<Given<String>>,
    pub(super) cache_max_age: Option<Given<String>>,
}

/// One `[[registry]]`.
#[derive(Debug)]
pub(super) struct RegistryTable {
    pub(super) name: Given<String>,
    pub(super) repository: Given<String>,
    pub(super) plain_http: Option<bool>,
    pub(super) username_env: Option<Given<String>>,
    pub(super) password_env: Option<Given<String>>,
    pub(super) driver: Option<Given<String>>,
}

impl File {
    /// Reads the text of a configuration file that the user knows as `file`.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Document { file, text };
        let table = document.parse()?;
        let top = Section::open(document, table.get_ref(), table.span(), KEYS)?;
        Ok(Self {
            image: top.string("image")?,
            containerfile: top.string("containerfile")?,
            context: top.string("context")?,
            platforms: top.strings("platforms")?,
            build_args: top.pairs("build-args")?,
            registries: top
                .tables("registry", "a list of tables, each opened by `[[registry]]`", REGISTRY_KEYS)?
                .map(|tables| tables.iter().map(RegistryTable::read).collect::<Result<_, _>>())
                .transpose()?,
            dockerhub_namespace: top.string("dockerhub-namespace")?,
            healthcheck: top.boolean("healthcheck")?,
            retry_base: top.string("retry-base")?,
            cleanup: top.string("cleanup")?,
            cache: top.string("cache")?,
            cache_max_age: top.string("cache-max-age")?,
        })
    }
}

impl RegistryTable {
    fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            name: section.required_string("registry", "name")?,
            repository: section.required_string("registry", "repository")?,
            plain_http: section.boolean("plain-http")?,
            username_env: section.string("username-env")?,
            password_env: section.string("password-env")?,
            driver: section.string("driver")?,
        })
    }
}
