//! Merges the settings of file and flags with environment and defaults.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    CacheConfig, Cleanup, RegistryConfig, Settings,
    cache::cache,
    registries::{allow_plain_http, choose_drivers, registries},
    settings::Text,
    sources::{Sources, flag, given, prefix},
    values::{self, image_name, refusal},
};
use crate::{environment::Environment, exit::Failure, http, oci::Platform};

/// The platforms that are built by default (FR-003).
pub const DEFAULT_PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];
/// The names under which a build's description is looked for, in this order.
pub const CONTAINERFILES: [&str; 2] = ["Containerfile", "Dockerfile"];

/// What is built and where it goes: complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The image's name, owner/name in lower case. Without a name of its own, that of the first registry's repository.
    pub image: String,
    /// The file that describes the build. [`Config::read_containerfile`] checks that it exists.
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
    /// The address of the source repository, `https://github.com/acme/hello`, as GitHub's variables name it.
    pub source: Option<String>,
}

/// Merges the configuration of a run in `directory`.
///
/// Paths in the configuration file start from the folder of that file, paths in flags from `directory`.
///
/// # Errors
/// When a file cannot be read, or a value in file, flags or variables is not understood.
pub fn load(directory: &Path, flags: &Settings, env: &Environment) -> Result<Config, Failure> {
    let sources = Sources::read(directory, flags)?;
    let path = |get: fn(&Settings) -> Option<&String>| {
        let of_flag = get(flags).filter(|path| !path.is_empty()).map(|path| directory.join(path));
        of_flag.or_else(|| get(&sources.file).map(|path| sources.folder.join(path)))
    };
    let context = path(|settings| settings.context.as_ref()).unwrap_or_else(|| directory.into());
    let containerfile = path(|settings| settings.containerfile.as_ref());

    let on_github = env.get("GITHUB_REPOSITORY");
    let named = match sources.value("image", |settings| settings.image.as_ref(), image_name)? {
        Some(image) => Some(image),
        None => on_github.map(image_name).transpose().map_err(|failure| prefix("`GITHUB_REPOSITORY`", failure))?,
    };
    let mut registries = registries(&sources, named.as_deref())?;
    choose_drivers(&sources, &mut registries)?;
    let platforms = platforms(&sources)?;
    let mut cache = cache(&sources, &platforms, &registries)?;
    allow_plain_http(&sources, &mut registries, cache.as_mut())?;

    let retry_base = sources.value("retry-base", |settings| settings.retry_base.as_ref(), values::retry_base)?;
    let cleanup = sources.value("cleanup", |settings| settings.cleanup.as_ref(), values::cleanup)?;
    let server = env.get("GITHUB_SERVER_URL").map(|server| server.trim_end_matches('/'));
    Ok(Config {
        image: named.or_else(|| Some(registries.first()?.repository.name.clone())).unwrap_or_default(),
        containerfile: containerfile.unwrap_or_else(|| default_containerfile(&context)),
        context,
        platforms,
        build_args: build_args(&sources)?,
        registries,
        retry_base: retry_base.unwrap_or(http::RETRY_BASE),
        cleanup: cleanup.unwrap_or_default(),
        cache,
        healthcheck: sources.file.healthcheck.unwrap_or(true),
        source: server.zip(on_github).map(|(server, repository)| format!("{server}/{repository}")),
    })
}

fn platforms(sources: &Sources<'_>) -> Result<Vec<Platform>, Failure> {
    let (flags, defaults) = (given(&sources.flags.platforms), DEFAULT_PLATFORMS.map(Text::from));
    let texts = [flags, &sources.file.platforms, &defaults].into_iter().find(|texts| !texts.is_empty());
    let mut platforms = Vec::new();
    for text in texts.into_iter().flatten() {
        platforms.push(sources.parse("platforms", text, |text| {
            let platform = text.parse::<Platform>().map_err(Failure::other)?;
            if platforms.contains(&platform) {
                return Err(Failure::other(format!("platform {platform} is given twice")));
            }
            Ok(platform)
        })?);
    }
    Ok(platforms)
}

/// The file's arguments, and those of flags, which replace arguments of the same key.
fn build_args(sources: &Sources<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut arguments = BTreeMap::new();
    for (key, text) in &sources.file.build_args {
        let checked = sources.parse(&format!("build-args.{key}"), text, |_| values::build_arg_key(key))?;
        arguments.insert(checked, text.value.clone());
    }
    for text in sources.flags.build_arg.iter().filter(|text| !text.is_empty()) {
        let (key, value) = values::build_arg(text).map_err(|failure| prefix(&flag("build-arg"), failure))?;
        arguments.insert(key, value);
    }
    Ok(arguments)
}

/// The Containerfile that a context holds: the first that exists under one of the usual names, else the one that should.
fn default_containerfile(context: &Path) -> PathBuf {
    let candidates = CONTAINERFILES.map(|name| context.join(name));
    // A dangling link counts as existing: to pass over it would silently build something else.
    let found = candidates.iter().find(|path| path.symlink_metadata().is_ok()).cloned();
    found.unwrap_or_else(|| context.join(CONTAINERFILES[0]))
}

impl Config {
    /// The names of the variables that hold passwords.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        let of_cache = self.cache.iter().map(|cache| &cache.base);
        let secrets = self.registries.iter().chain(of_cache).filter_map(|registry| registry.secrets.as_ref());
        secrets.map(|names| names.password.as_str())
    }

    /// Reads the Containerfile, and checks that the build context is there. Not part of [`load`], because merging and
    /// cleaning up need no sources, and their jobs may have none.
    ///
    /// # Errors
    /// When the context is no folder, or the Containerfile is missing or unreadable.
    pub fn read_containerfile(&self) -> Result<String, Failure> {
        let context = self.context.display();
        if !self.context.is_dir() {
            let problem = format!("the build context {context} is not a folder");
            return Err(refusal(problem, "name the folder with `context` in publish.toml or `--context`"));
        }
        let error = match fs::read(&self.containerfile) {
            Ok(bytes) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => error,
        };
        let not_chosen = self.containerfile == default_containerfile(&self.context);
        if error.kind() == io::ErrorKind::NotFound && not_chosen && self.containerfile.symlink_metadata().is_err() {
            return Err(refusal(
                format!("neither `Containerfile` nor `Dockerfile` is in {context}"),
                "write one there, or name the file with `containerfile` in publish.toml or `--containerfile`",
            ));
        }
        Err(Failure::other(format!("cannot read {}", self.containerfile.display())).because(error))
    }
}
