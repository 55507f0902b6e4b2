//! Where the image goes: the configured registries, the flags that replace them, the defaults.

use std::collections::BTreeSet;

use super::{
    CacheConfig, ConfigError, DriverKind,
    cleanup::driver,
    file::RegistryTable,
    origin::{Given, Origin},
    overrides,
};
use crate::oci::{Host, Repository};

const DOCKERHUB_USERNAME: &str = "DOCKERHUB_USERNAME";
const DOCKERHUB_TOKEN: &str = "DOCKERHUB_TOKEN";
const GITHUB_ACTOR: &str = "GITHUB_ACTOR";
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";

const NAME_HINT: &str = "a registry's short name is made of lower-case letters, digits and `-`, such as ghcr";
const FLAG_HINT: &str = "write name=host/repository, for example ghcr=ghcr.io/acme/hello";
const SECRET_HINT: &str =
    "give the name of the variable that holds the secret, such as REGISTRY_TOKEN, never the secret";
const PAIR_HINT: &str = "give both `username-env` and `password-env`, or neither to use the machine's auth files";
const NAMESPACE_HINT: &str = "give the user or organisation on Docker Hub that the image belongs to, such as acme";

/// One registry to publish to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The short name, `[a-z0-9][a-z0-9-]*`, unique; it is part of the hand-over files' names.
    pub name: String,
    /// The repository.
    pub repository: Repository,
    /// Whether to speak HTTP without TLS.
    pub plain_http: bool,
    /// The variables that hold the credentials; without them auth files are used alone.
    pub secrets: Option<SecretNames>,
    /// The interface through which superseded images are removed.
    pub driver: DriverKind,
}

/// The names of the environment variables that hold a registry's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNames {
    /// The variable with the user name.
    pub username: String,
    /// The variable with the password or token.
    pub password: String,
}

/// A registry before what is not said about it is filled in.
struct Draft {
    name: Given<String>,
    repository: Given<Repository>,
    plain_http: Option<bool>,
    username_env: Option<Given<String>>,
    password_env: Option<Given<String>>,
    driver: Option<DriverKind>,
}

/// The registries that flags name, else those of the file; none if neither names any.
pub(super) fn configured(
    flags: Option<Vec<Given<String>>>,
    tables: Option<Vec<RegistryTable>>,
) -> Result<Option<Vec<RegistryConfig>>, ConfigError> {
    let drafts = tables.map(|tables| tables.into_iter().map(Draft::of_table).collect::<Result<Vec<_>, _>>());
    let drafts = drafts.transpose()?;
    let Some(flags) = flags else {
        return drafts.map(finish).transpose();
    };
    // Checked as it stands, too: a mistake in the file shows before the flag is left out one day.
    let mut drafts = drafts.unwrap_or_default();
    refuse_repetition(&drafts)?;
    let mut chosen = Vec::new();
    for flag in flags {
        let (name, repository) = name_and_repository(flag)?;
        let of_this_name = drafts.iter().position(|draft| draft.name.value == name.value);
        chosen.push(match of_this_name {
            Some(index) => Draft { name, repository, ..drafts.swap_remove(index) },
            None => Draft { name, repository, plain_http: None, username_env: None, password_env: None, driver: None },
        });
    }
    finish(chosen).map(Some)
}

/// GitHub's registry and Docker Hub, each with the repository that derives from the image's name.
///
/// On Docker Hub the image's owner is the namespace, if none is given. The user in `DOCKERHUB_USERNAME` says nothing of it:
/// GitHub masks a secret wherever it occurs, so a repository named after one would be unreadable in logs and lost in outputs.
pub(super) fn by_default(image: &str, namespace: Option<Given<String>>) -> Result<Vec<RegistryConfig>, ConfigError> {
    let (owner, name) = (image.split('/').next().unwrap_or(image), image.rsplit('/').next().unwrap_or(image));
    let Given { value: namespace, origin } = namespace.unwrap_or_else(|| Given::new(owner.into(), overrides::IMAGE));
    let namespace = namespace.to_ascii_lowercase();
    let hub = format!("docker.io/{namespace}/{name}").parse().ok().filter(|_| !namespace.contains('/'));
    let hub = hub.ok_or_else(|| {
        ConfigError::invalid(origin, format!("`{namespace}` is not a namespace on Docker Hub"))
            .with_hint(NAMESPACE_HINT)
    })?;
    // The name of an image has been checked; on any host it makes a repository.
    let ghcr = format!("ghcr.io/{image}")
        .parse()
        .map_err(|error| ConfigError::invalid(overrides::IMAGE, format!("{error}")))?;
    let registry = |name: &str, repository: Repository| RegistryConfig {
        name: name.into(),
        plain_http: false,
        secrets: usual_secrets(&repository.host),
        driver: DriverKind::of(&repository.host),
        repository,
    };
    Ok(vec![registry("ghcr", ghcr), registry("dockerhub", hub)])
}

/// Switches TLS off for the hosts that `--plain-http` names, among them the cache's.
pub(super) fn allow_plain_http(
    registries: &mut [RegistryConfig],
    mut cache: Option<&mut CacheConfig>,
    hosts: Vec<Given<String>>,
) -> Result<(), ConfigError> {
    for Given { value: host, origin } in hosts {
        let of_registries = registries.iter_mut().map(|registry| (&registry.repository.host, &mut registry.plain_http));
        let of_cache = cache.as_deref_mut().map(CacheConfig::transport);
        let mut found = false;
        let mut others = BTreeSet::new();
        for (known, plain_http) in of_registries.chain(of_cache) {
            if known.as_str().eq_ignore_ascii_case(&host) {
                *plain_http = true;
                found = true;
            } else {
                others.insert(known.as_str());
            }
        }
        if !found {
            let hosts = others.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ConfigError::invalid(
                origin,
                format!("`{host}` is not the host of a registry, which are {hosts}"),
            ));
        }
    }
    Ok(())
}

impl Draft {
    fn of_table(table: RegistryTable) -> Result<Self, ConfigError> {
        let repository = table.repository;
        Ok(Self {
            name: checked_name(table.name)?,
            repository: match repository.value.parse() {
                Ok(value) => Given::new(value, repository.origin),
                Err(error) => return Err(ConfigError::invalid(repository.origin, format!("{error}"))),
            },
            plain_http: table.plain_http,
            username_env: table.username_env.map(checked_variable).transpose()?,
            password_env: table.password_env.map(checked_variable).transpose()?,
            driver: table.driver.map(driver).transpose()?,
        })
    }

    fn finish(self) -> Result<RegistryConfig, ConfigError> {
        let host = &self.repository.value.host;
        let usual = usual_secrets(host);
        let lone = self.username_env.as_ref().or(self.password_env.as_ref()).map(|given| given.origin.clone());
        let username = self.username_env.map(|given| given.value).or(usual.as_ref().map(|s| s.username.clone()));
        let password = self.password_env.map(|given| given.value).or(usual.map(|s| s.password));
        let secrets = match (username, password, lone) {
            (Some(username), Some(password), _) => Some(SecretNames { username, password }),
            (None, None, _) | (_, _, None) => None,
            (_, _, Some(origin)) => {
                return Err(ConfigError::invalid(origin, "stands without its counterpart").with_hint(PAIR_HINT));
            }
        };
        Ok(RegistryConfig {
            name: self.name.value,
            plain_http: self.plain_http.unwrap_or_else(|| host.is_loopback()),
            driver: self.driver.unwrap_or_else(|| DriverKind::of(host)),
            repository: self.repository.value,
            secrets,
        })
    }
}

fn finish(drafts: Vec<Draft>) -> Result<Vec<RegistryConfig>, ConfigError> {
    refuse_repetition(&drafts)?;
    drafts.into_iter().map(Draft::finish).collect()
}

fn refuse_repetition(drafts: &[Draft]) -> Result<(), ConfigError> {
    let (mut names, mut repositories) = (BTreeSet::new(), BTreeSet::new());
    for Draft { name, repository, .. } in drafts {
        let twice = |origin: &Origin, what, value| Err(ConfigError::Twice { origin: origin.clone(), what, value });
        if !names.insert(&name.value) {
            return twice(&name.origin, "registry", name.value.clone());
        }
        if !repositories.insert(repository.value.to_string()) {
            return twice(&repository.origin, "repository", repository.value.to_string());
        }
    }
    Ok(())
}

fn name_and_repository(flag: Given<String>) -> Result<(Given<String>, Given<Repository>), ConfigError> {
    let Given { value, origin } = flag;
    let refuse = |problem: String| ConfigError::invalid(origin.clone(), problem).with_hint(FLAG_HINT);
    let (name, repository) = value.split_once('=').ok_or_else(|| refuse(format!("`{value}` has no `=`")))?;
    let repository = repository.parse::<Repository>().map_err(|error| refuse(error.to_string()))?;
    Ok((checked_name(Given::new(name.into(), origin.clone()))?, Given::new(repository, origin.clone())))
}

fn checked_name(given: Given<String>) -> Result<Given<String>, ConfigError> {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let name = &given.value;
    if name.bytes().next().is_some_and(alphanumeric) && name.bytes().all(|b| alphanumeric(b) || b == b'-') {
        return Ok(given);
    }
    let problem = format!("`{name}` is not a short name");
    Err(ConfigError::invalid(given.origin, problem).with_hint(NAME_HINT))
}

/// Only upper-case names, as the custom is: that refuses a token pasted here by mistake. What was given is not shown,
/// as it may be just that.
fn checked_variable(given: Given<String>) -> Result<Given<String>, ConfigError> {
    let letter = |b: u8| b.is_ascii_uppercase() || b == b'_';
    let name = &given.value;
    if name.bytes().next().is_some_and(letter) && name.bytes().all(|b| letter(b) || b.is_ascii_digit()) {
        return Ok(given);
    }
    let problem = "the value is not the name of a variable in upper case";
    Err(ConfigError::invalid(given.origin, problem).with_hint(SECRET_HINT))
}

/// The variables in which the credentials of the well-known registries are found.
pub(super) fn usual_secrets(host: &Host) -> Option<SecretNames> {
    let names =
        |username: &str, password: &str| Some(SecretNames { username: username.into(), password: password.into() });
    if host.is_ghcr() {
        names(GITHUB_ACTOR, GITHUB_TOKEN)
    } else if host.is_docker_hub() {
        names(DOCKERHUB_USERNAME, DOCKERHUB_TOKEN)
    } else {
        None
    }
}
