//! What `podman info` says about podman and its host.

use std::path::PathBuf;

use semver::Version;
use serde::Deserialize;

use super::PodmanError;

/// The oldest podman that will do: that of Debian 12, the oldest that is tried.
pub const MIN_VERSION: Version = Version::new(4, 3, 0);

/// The first podman that reads here-documents in a Containerfile.
pub const HERE_DOCUMENTS_VERSION: Version = Version::new(5, 0, 0);

/// podman and its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// podman's version.
    pub version: Version,
    /// Whether it runs without root.
    pub rootless: bool,
    /// The host's architecture by its Go name.
    pub architecture: String,
    /// Foreign platforms that podman finds an emulator for: `linux/arm64`.
    pub emulated: Vec<String>,
    /// Where images are stored.
    pub graph_root: PathBuf,
    /// How layers are stored: `overlay`, `vfs`.
    pub graph_driver: String,
    /// Whether `overlay` goes through fuse instead of the kernel.
    pub fuse: bool,
    /// Where podman keeps what it is copying.
    pub temporary: PathBuf,
    /// The version of the host's control groups: `v1`, `v2`.
    pub cgroups: String,
    /// What runs containers, name and version: `crun 1.28`.
    pub runtime: String,
    /// What connects containers: `netavark`.
    pub network: String,
    /// What connects rootless containers: `pasta`.
    pub rootless_network: String,
    /// How many user ids podman has for its containers; 1 means none but the user's own.
    pub user_ids: u64,
}

impl Info {
    /// Reads what `podman info --format json` printed.
    pub(super) fn parse(json: &[u8]) -> Result<Self, PodmanError> {
        let unclear = |reason: String| PodmanError::Answer { command: "podman info", reason };
        let Answer { host, store, version } =
            serde_json::from_slice(json).map_err(|error| unclear(error.to_string()))?;
        let version = Version::parse(&version.version).map_err(|error| unclear(error.to_string()))?;
        Ok(Self {
            version,
            rootless: host.security.rootless,
            architecture: host.arch,
            emulated: host.emulated_architectures.unwrap_or_default(),
            fuse: store.graph_options.is_some_and(|options| options.contains_key("overlay.mount_program")),
            graph_root: store.graph_root,
            graph_driver: store.graph_driver_name,
            temporary: store.image_copy_tmp_dir,
            cgroups: host.cgroup_version,
            runtime: host.oci_runtime.name_and_version(),
            network: host.network_backend,
            rootless_network: host.rootless_network_cmd,
            user_ids: host.id_mappings.uidmap.unwrap_or_default().iter().map(|range| range.size).sum(),
        })
    }
}

/// Whether a podman will do.
///
/// # Errors
/// It is too old, or runs as root.
pub fn judge(version: &Version, rootless: bool) -> Result<(), PodmanError> {
    // A pre-release of the oldest version has what is needed, so only these two numbers count.
    if (version.major, version.minor) < (MIN_VERSION.major, MIN_VERSION.minor) {
        return Err(PodmanError::TooOld { found: version.clone() });
    }
    if rootless { Ok(()) } else { Err(PodmanError::Rootful) }
}

#[derive(Deserialize)]
struct Answer {
    host: Host,
    store: Store,
    version: VersionAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    arch: String,
    security: Security,
    #[serde(default)]
    emulated_architectures: Option<Vec<String>>,
    #[serde(default)]
    cgroup_version: String,
    #[serde(default)]
    oci_runtime: Runtime,
    #[serde(default)]
    network_backend: String,
    #[serde(default)]
    rootless_network_cmd: String,
    #[serde(default)]
    id_mappings: Mappings,
}

#[derive(Deserialize)]
struct Security {
    rootless: bool,
}

#[derive(Deserialize, Default)]
struct Runtime {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

impl Runtime {
    /// `crun version 1.28` on the first of several lines becomes `crun 1.28`.
    fn name_and_version(&self) -> String {
        match self.version.lines().next().and_then(|line| line.split_whitespace().last()) {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

#[derive(Deserialize, Default)]
struct Mappings {
    #[serde(default)]
    uidmap: Option<Vec<Range>>,
}

#[derive(Deserialize)]
struct Range {
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    graph_root: PathBuf,
    graph_driver_name: String,
    #[serde(default)]
    graph_options: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    image_copy_tmp_dir: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    version: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::fake::INFO;

    #[test]
    fn what_podman_says_is_read() {
        insta::assert_debug_snapshot!(Info::parse(INFO.as_bytes()).unwrap(), @r#"
        Info {
            version: Version {
                major: 5,
                minor: 8,
                patch: 6,
            },
            rootless: true,
            architecture: "amd64",
            emulated: [
                "linux/arm64",
            ],
            graph_root: "/home/user/.local/share/containers/storage",
            graph_driver: "overlay",
            fuse: false,
            temporary: "/var/tmp",
            cgroups: "v2",
            runtime: "crun 1.28",
            network: "netavark",
            rootless_network: "pasta",
            user_ids: 65537,
        }
        "#);
    }

    #[test]
    fn an_answer_that_is_no_json_is_told_as_such() {
        let error = Info::parse(b"podman: not configured").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer of `podman info` is not understood: expected value at line 1 column 1"
        );
    }

    #[rstest::rstest]
    #[case("5.8.6", true, None)]
    #[case("4.3.1", true, None)]
    #[case("4.3.0-dev", true, None)]
    #[case("6.0.0", true, None)]
    #[case("4.2.9", true, Some("podman 4.2.9 is too old, 4.3.0 or newer is needed"))]
    #[case("3.4.4", false, Some("podman 3.4.4 is too old, 4.3.0 or newer is needed"))]
    #[case("5.8.6", false, Some("podman runs as root here"))]
    fn a_podman_is_fit_when_it_is_new_enough_and_rootless(
        #[case] version: &str,
        #[case] rootless: bool,
        #[case] objection: Option<&str>,
    ) {
        let version = Version::parse(version).unwrap();
        let info = Info { version, rootless, ..Info::parse(INFO.as_bytes()).unwrap() };
        assert_eq!(judge(&info.version, info.rootless).err().map(|error| error.to_string()).as_deref(), objection);
    }
}
