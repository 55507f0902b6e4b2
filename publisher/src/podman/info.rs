//! What `podman info` says about podman and its host, and which platforms the host runs without an emulator.

use std::path::PathBuf;

use semver::Version;
use serde_json::Value;

use super::PodmanError;
use crate::oci::Platform;

/// The oldest podman that is supported: that of Debian 12, the oldest that is tested.
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
    /// The container runtime, name and version: `crun 1.28`.
    pub runtime: String,
    /// What connects containers: `netavark`.
    pub network: String,
    /// What connects rootless containers: `pasta`.
    pub rootless_network: String,
    /// How many user ids podman has for its containers; 1 means none but the user's own.
    pub user_ids: u64,
}

impl Info {
    /// Reads the output of `podman info --format json`. Fields that this podman does not have are empty.
    pub(super) fn parse(json: &[u8]) -> Result<Self, PodmanError> {
        const COMMAND: &str = "podman info";
        let answer: Value = serde_json::from_slice(json).map_err(|error| PodmanError::answer(COMMAND, error))?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |pointer: &str| answer.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let rootless = answer.pointer("/host/security/rootless").and_then(Value::as_bool);
        // `crun version 1.28` on the first of several lines.
        let runtime = text("/host/ociRuntime/version");
        let runtime_version =
            runtime.lines().next().and_then(|line| line.split_whitespace().last()).unwrap_or_default();
        Ok(Self {
            version: Version::parse(&text("/version/Version")).map_err(|error| PodmanError::answer(COMMAND, error))?,
            rootless: rootless.ok_or_else(|| PodmanError::answer(COMMAND, "`rootless` is missing"))?,
            architecture: text("/host/arch"),
            emulated: list("/host/emulatedArchitectures").filter_map(Value::as_str).map(Into::into).collect(),
            graph_root: text("/store/graphRoot").into(),
            graph_driver: text("/store/graphDriverName"),
            fuse: answer.pointer("/store/graphOptions/overlay.mount_program").is_some(),
            temporary: text("/store/imageCopyTmpDir").into(),
            cgroups: text("/host/cgroupVersion"),
            runtime: format!("{} {runtime_version}", text("/host/ociRuntime/name")).trim_end().into(),
            network: text("/host/networkBackend"),
            rootless_network: text("/host/rootlessNetworkCmd"),
            user_ids: list("/host/idMappings/uidmap").filter_map(|range| range["size"].as_u64()).sum(),
        })
    }
}

/// Whether a podman is supported.
///
/// # Errors
/// It is too old, or runs as root.
pub fn check_version(version: &Version, rootless: bool) -> Result<(), PodmanError> {
    // A pre-release of the oldest version has what is needed, so only these two numbers count.
    if (version.major, version.minor) < (MIN_VERSION.major, MIN_VERSION.minor) {
        return Err(PodmanError::TooOld { found: version.clone() });
    }
    if rootless { Ok(()) } else { Err(PodmanError::Rootful) }
}

/// This machine's architecture by its Go name.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        same => same,
    }
}

/// Whether a machine of this architecture runs the platform's programs itself, its smaller sibling's included.
pub fn runs_natively(host: &str, platform: &Platform) -> bool {
    let wanted = platform.architecture();
    host == wanted || matches!((host, wanted), ("amd64", "386") | ("arm64", "arm"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::tests::INFO;

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
        assert_eq!(
            check_version(&info.version, info.rootless).err().map(|error| error.to_string()).as_deref(),
            objection
        );
    }

    #[rstest::rstest]
    #[case("amd64", "linux/amd64", true)]
    #[case("amd64", "linux/386", true)]
    #[case("amd64", "linux/arm64", false)]
    #[case("arm64", "linux/arm64/v8", true)]
    #[case("arm64", "linux/arm/v7", true)]
    #[case("386", "linux/amd64", false)]
    fn native_is_the_same_architecture_or_its_smaller_sibling(
        #[case] host: &str,
        #[case] platform: &str,
        #[case] native: bool,
    ) {
        assert_eq!(runs_natively(host, &platform.parse().unwrap()), native);
    }
}
