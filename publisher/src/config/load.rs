//! Reads `publish.toml` and merges it with flags, environment and defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    CacheConfig, Cleanup, ConfigError, Overrides, RegistryConfig,
    cache::cache,
    cleanup::{choose_drivers, cleanup},
    duration::retry_base,
    file::File,
    image::image,
    origin::Given,
    overrides,
    registries::{allow_plain_http, by_default, configured},
    sources::default_containerfile,
};
use crate::{environment::Environment, http, oci::Platform};

/// The configuration file that is read when no other is named.
pub const CONFIG_FILE: &str = "publish.toml";

/// The platforms that are built when nothing else is said (FR-003).
pub const DEFAULT_PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

const BUILD_ARG_HINT: &str = "write KEY=VALUE, the key made of letters, digits and `_`";

/// What is built and where it goes: complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The image's name, owner/name in lower case. Without a name of its own, that of the first registry's repository.
    pub image: String,
    /// The file that describes the build. Whether it exists is for [`Config::check_sources`] to say.
    pub containerfile: PathBuf,
    /// The folder from which the build copies.
    pub context: PathBuf,
    /// The platforms, at least one, none twice.
    pub platforms: Vec<Platform>,
    /// The build's arguments.
    pub build_args: BTreeMap<String, String>,
    /// The registries, at least one, no name and no repository twice.
    pub registries: Vec<RegistryConfig>,
    /// The wait before the second attempt of an operation.
    pub retry_base: Duration,
    /// When the image that a floating tag pointed at is removed.
    pub cleanup: Cleanup,
    /// Where steps of builds are kept for later builds.
    pub cache: Option<CacheConfig>,
    /// Whether the image is meant to have a health check.
    pub healthcheck: bool,
    /// The address of the source repository, `https://github.com/acme/hello`, where GitHub says it.
    pub source: Option<String>,
}

impl Config {
    /// The names of the variables that hold passwords.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        let of_cache = self.cache.iter().filter_map(|cache| cache.secrets.as_ref());
        let secrets = self.registries.iter().filter_map(|registry| registry.secrets.as_ref()).chain(of_cache);
        secrets.map(|names| names.password.as_str())
    }
}

/// Merges the configuration of a run in `directory`.
///
/// Paths in the configuration file start from the folder of that file, paths in flags from `directory`.
///
/// # Errors
/// When a file cannot be read, or anything in file, flags or variables is not understood.
pub fn load(directory: &Path, overrides: &Overrides, env: &Environment) -> Result<Config, ConfigError> {
    let (folder, file) = read(directory, overrides::nonempty(overrides.config.as_ref()))?;

    let context = overrides::nonempty(overrides.context.as_ref())
        .map(|path| directory.join(path))
        .or_else(|| file.context.map(|path| folder.join(path.value)))
        .unwrap_or_else(|| directory.into());
    let containerfile = overrides::nonempty(overrides.containerfile.as_ref())
        .map(|path| directory.join(path))
        .or_else(|| file.containerfile.map(|path| folder.join(path.value)))
        .unwrap_or_else(|| default_containerfile(&context));

    let named = image(overrides::text(overrides.image.as_ref(), overrides::IMAGE).or(file.image), env)?;
    let flags = overrides::list(&overrides.registries, &overrides::REGISTRIES);
    let namespace = overrides::text(overrides.dockerhub_namespace.as_ref(), overrides::DOCKERHUB_NAMESPACE)
        .or(file.dockerhub_namespace);
    let mut registries = match (configured(flags, file.registries)?, &named) {
        (Some(registries), _) => registries,
        (None, Some(image)) => by_default(image, namespace)?,
        (None, None) => return Err(ConfigError::NoImage),
    };
    let platforms = platforms(overrides::list(&overrides.platforms, &overrides::PLATFORMS).or(file.platforms))?;
    let drivers = overrides::list(&overrides.drivers, &overrides::DRIVERS);
    choose_drivers(&mut registries, drivers.unwrap_or_default())?;
    let given = overrides::text(overrides.cache.as_ref(), overrides::CACHE).or(file.cache);
    let age = overrides::text(overrides.cache_max_age.as_ref(), overrides::CACHE_MAX_AGE).or(file.cache_max_age);
    let mut cache = cache(given, age.as_ref(), &platforms, &registries)?;
    let plain = overrides::list(&overrides.plain_http, &overrides::PLAIN_HTTP);
    allow_plain_http(&mut registries, cache.as_mut(), plain.unwrap_or_default())?;
    let of_registry = registries.first().map(|registry| registry.repository.name.clone());

    let retry = overrides::text(overrides.retry_base.as_ref(), overrides::RETRY_BASE).or(file.retry_base);
    let order = overrides::text(overrides.cleanup.as_ref(), overrides::CLEANUP).or(file.cleanup);
    Ok(Config {
        image: named.or(of_registry).ok_or(ConfigError::NoImage)?,
        containerfile,
        context,
        platforms,
        build_args: build_args(file.build_args, &overrides.build_args)?,
        registries,
        retry_base: retry.map_or(Ok(http::RETRY_BASE), retry_base)?,
        cache,
        cleanup: order.map_or(Ok(Cleanup::default()), cleanup)?,
        healthcheck: file.healthcheck.unwrap_or(true),
        source: source(env),
    })
}

/// The configuration file and the folder in which it lies. One that is not named may be absent.
fn read(directory: &Path, named: Option<&PathBuf>) -> Result<(PathBuf, File), ConfigError> {
    let name = named.map_or(Path::new(CONFIG_FILE), PathBuf::as_path);
    let path = directory.join(name);
    let file = match fs::read_to_string(&path) {
        Ok(text) => File::parse(&name.display().to_string(), &text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => File::default(),
        Err(source) => return Err(ConfigError::Unreadable { file: name.display().to_string(), source }),
    };
    Ok((path.parent().unwrap_or(directory).into(), file))
}

fn platforms(given: Option<Vec<Given<String>>>) -> Result<Vec<Platform>, ConfigError> {
    let default =
        || DEFAULT_PLATFORMS.iter().map(|text| Given::new((*text).to_owned(), overrides::PLATFORMS)).collect();
    let mut seen = BTreeSet::new();
    let mut platforms = Vec::new();
    for Given { value, origin } in given.unwrap_or_else(default) {
        let platform: Platform = match value.parse() {
            Ok(platform) => platform,
            Err(error) => return Err(ConfigError::invalid(origin, format!("{error}"))),
        };
        if !seen.insert(platform.clone()) {
            return Err(ConfigError::Twice { origin, what: "platform", value: platform.to_string() });
        }
        platforms.push(platform);
    }
    Ok(platforms)
}

fn build_args(file: Vec<(String, Given<String>)>, flags: &[String]) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut arguments = BTreeMap::new();
    for (key, Given { value, origin }) in file {
        arguments.insert(checked_key(Given::new(key, origin))?, value);
    }
    for flag in flags.iter().filter(|flag| !flag.is_empty()) {
        let Some((key, value)) = flag.split_once('=') else {
            let problem = format!("`{flag}` has no `=`");
            return Err(ConfigError::invalid(overrides::BUILD_ARGS, problem).with_hint(BUILD_ARG_HINT));
        };
        arguments.insert(checked_key(Given::new(key.into(), overrides::BUILD_ARGS))?, value.into());
    }
    Ok(arguments)
}

fn checked_key(given: Given<String>) -> Result<String, ConfigError> {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let key = &given.value;
    if key.bytes().next().is_some_and(letter) && key.bytes().all(|b| letter(b) || b.is_ascii_digit()) {
        return Ok(given.value);
    }
    let problem = format!("`{key}` is not the name of a build argument");
    Err(ConfigError::invalid(given.origin, problem).with_hint(BUILD_ARG_HINT))
}

fn source(env: &Environment) -> Option<String> {
    let (server, repository) = (env.get("GITHUB_SERVER_URL")?, env.get("GITHUB_REPOSITORY")?);
    Some(format!("{}/{repository}", server.trim_end_matches('/')))
}
