//! What podman and this machine can do.

use std::{collections::BTreeMap, env, fs, path::Path};

use super::command::podman;
use crate::harness::HarnessError;

/// Where Linux lists the formats that it gives to an interpreter, such as another processor's programs to an emulator.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// How a format's description begins that is in use.
const ENABLED: &str = "enabled";

/// podman's version: `5.8.1`.
///
/// # Errors
/// podman that is missing or fails.
pub async fn version() -> Result<String, HarnessError> {
    podman(&BTreeMap::new(), &["version", "--format", "{{.Client.Version}}"]).await?.ok("tell its version")
}

/// Whether podman is run by an unprivileged user.
///
/// # Errors
/// podman that is missing or fails.
pub async fn is_rootless() -> Result<bool, HarnessError> {
    let said = podman(&BTreeMap::new(), &["info", "--format", "{{.Host.Security.Rootless}}"]).await?;
    Ok(said.ok("tell whether it is rootless")? == "true")
}

/// Whether programs for a platform run here, by themselves or emulated: `linux/arm64`.
pub fn emulation(platform: &str) -> bool {
    runs(platform, env::consts::ARCH, Path::new(BINFMT))
}

fn runs(platform: &str, machine: &str, formats: &Path) -> bool {
    let architecture = platform.split('/').nth(1).unwrap_or_default();
    let Some(wanted) = crate::client::machine_of(architecture) else { return false };
    if wanted == machine {
        return true;
    }
    let emulates = |path: &Path| {
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(wanted));
        named && fs::read_to_string(path).is_ok_and(|text| text.starts_with(ENABLED))
    };
    // Where nothing can be registered there is no such folder.
    fs::read_dir(formats).is_ok_and(|entries| entries.flatten().any(|entry| emulates(&entry.path())))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::itself("linux/amd64", "x86_64", None, true)]
    #[case::with_a_variant("linux/arm64/v8", "aarch64", None, true)]
    #[case::emulated("linux/arm64", "x86_64", Some("enabled\ninterpreter /usr/bin/qemu\n"), true)]
    #[case::switched_off("linux/arm64", "x86_64", Some("disabled\n"), false)]
    #[case::not_emulated("linux/arm64", "x86_64", None, false)]
    #[case::another_emulated("linux/riscv64", "x86_64", Some("enabled\n"), false)]
    #[case::unheard_of("linux/z80", "x86_64", None, false)]
    #[case::no_platform("arm64", "x86_64", Some("enabled\n"), false)]
    fn foreign_programs_run_where_they_are_emulated(
        #[case] platform: &str,
        #[case] machine: &str,
        #[case] format: Option<&str>,
        #[case] expected: bool,
    ) {
        let formats = tempfile::tempdir().unwrap();
        if let Some(text) = format {
            fs::write(formats.path().join("qemu-aarch64"), text).unwrap();
        }
        assert_eq!(runs(platform, machine, formats.path()), expected);
    }

    #[test]
    fn without_the_list_of_formats_nothing_is_emulated() {
        assert!(!runs("linux/arm64", "x86_64", Path::new("/nowhere")));
    }
}
