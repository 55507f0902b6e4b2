//! How superseded images are removed: when, and by which interface of each registry.

use serde::Serialize;

use super::{ConfigError, RegistryConfig, origin::Given};
use crate::oci::Host;

const CLEANUP_HINT: &str = "give `after` (the tag moves, then the old image goes), `before` (the old image goes, then the tag is set at once) or `off`";
const DRIVER_HINT: &str =
    "give `github` (GitHub Packages), `dockerhub` (Docker Hub's API), `distribution` (DELETE by digest) or `none`";
const FLAG_HINT: &str = "write name=driver, for example ghcr=github";

/// When the image that a floating tag pointed at is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cleanup {
    /// After the tag has moved everywhere, so that it is never missing.
    #[default]
    After,
    /// Right before the tag is set, when everything is staged everywhere: the tag is missing for a moment.
    Before,
    /// Never.
    Off,
}

/// The interface through which a registry lets images be looked at and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// GitHub Packages: the registry itself deletes nothing.
    GitHub,
    /// Docker Hub's API for tags, its registry for manifests.
    DockerHub,
    /// The distribution API alone: `DELETE` by digest.
    Distribution,
    /// Nothing is ever removed.
    None,
}

impl DriverKind {
    /// The one for a host. A registry that nothing is known of is left alone.
    pub(super) fn of(host: &Host) -> Self {
        if host.is_ghcr() {
            Self::GitHub
        } else if host.is_docker_hub() {
            Self::DockerHub
        } else if host.is_loopback() {
            Self::Distribution
        } else {
            Self::None
        }
    }

    /// The name in configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::DockerHub => "dockerhub",
            Self::Distribution => "distribution",
            Self::None => "none",
        }
    }
}

/// Reads when to clean up.
pub(super) fn cleanup(given: Given<String>) -> Result<Cleanup, ConfigError> {
    match given.value.as_str() {
        "after" => Ok(Cleanup::After),
        "before" => Ok(Cleanup::Before),
        "off" => Ok(Cleanup::Off),
        other => {
            Err(ConfigError::invalid(given.origin, format!("`{other}` is no time for a clean-up"))
                .with_hint(CLEANUP_HINT))
        }
    }
}

/// Reads a driver.
pub(super) fn driver(given: Given<String>) -> Result<DriverKind, ConfigError> {
    const ALL: [DriverKind; 4] =
        [DriverKind::GitHub, DriverKind::DockerHub, DriverKind::Distribution, DriverKind::None];
    let named = ALL.into_iter().find(|kind| kind.name() == given.value);
    named.ok_or_else(|| {
        ConfigError::invalid(given.origin, format!("`{}` is no driver", given.value)).with_hint(DRIVER_HINT)
    })
}

/// Chooses the drivers that `--driver` names.
pub(super) fn choose_drivers(registries: &mut [RegistryConfig], flags: Vec<Given<String>>) -> Result<(), ConfigError> {
    for Given { value, origin } in flags {
        let refuse = |problem: String| ConfigError::invalid(origin.clone(), problem).with_hint(FLAG_HINT);
        let (name, kind) = value.split_once('=').ok_or_else(|| refuse(format!("`{value}` has no `=`")))?;
        let kind = driver(Given::new(kind.into(), origin.clone()))?;
        let registry = registries.iter_mut().find(|registry| registry.name == name);
        registry.ok_or_else(|| refuse(format!("`{name}` is not the name of a registry")))?.driver = kind;
    }
    Ok(())
}
