//! The program podman: its version, what it says about itself and its host, and how it is run.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use oci_spec::image::Arch;
use semver::Version;
use serde_json::Value;

use super::{
    PodmanError,
    process::{self, Tail},
};
use crate::{containerfile::Containerfile, environment::Environment, oci::Platform};

/// The variable that names another program than the `podman` of `PATH`.
pub const PROGRAM_VARIABLE: &str = "TALLYMAN_PODMAN";
/// The oldest podman that is supported: that of Debian 12, the oldest that is tested.
pub const MIN_VERSION: Version = Version::new(4, 3, 0);

/// The first podman that reads here-documents in a Containerfile.
pub const HERE_DOCUMENTS_VERSION: Version = Version::new(5, 0, 0);

/// podman on this machine.
#[derive(Debug, Clone)]
pub struct Podman {
    program: PathBuf,
    environment: Environment,
}

impl Podman {
    /// The podman that the environment names.
    pub fn new(environment: &Environment) -> Self {
        let program = environment.get(PROGRAM_VARIABLE).unwrap_or("podman").into();
        Self { program, environment: environment.clone() }
    }

    /// What podman says about itself and its host.
    ///
    /// # Errors
    /// podman is not there, or does not work for this user.
    pub async fn info(&self) -> Result<Info, PodmanError> {
        Info::read(&self.json("info", &["--format", "json"]).await?)
    }

    /// Whether podman is there, starts, is new enough, also for this Containerfile, and runs without root; to be called
    /// before anything is built. Returns its version.
    ///
    /// `podman info` would tell all of it, but takes a third of a second; it is asked only where podman is a client of
    /// a service elsewhere, of which this process cannot know whether it is root.
    ///
    /// # Errors
    /// The first of these that is not so.
    pub async fn check(&self, containerfile: &Path) -> Result<Version, PodmanError> {
        let answer = self.json("version", &["--format", "json"]).await?;
        let version = answer.pointer("/Client/Version").and_then(Value::as_str).unwrap_or_default();
        let version = Version::parse(version).map_err(|error| PodmanError::answer("version", error))?;
        check_version(&version)?;
        // There is a server only if podman is a client of a service elsewhere.
        let is_root = match answer.get("Server") {
            Some(_) => !self.info().await?.rootless,
            None => rustix::process::geteuid().is_root(),
        };
        if is_root {
            let reason = "podman runs as root here".into();
            return Err(PodmanError::Unfit { reason, hint: "run this as an ordinary user" });
        }
        if version.major < HERE_DOCUMENTS_VERSION.major {
            let path = containerfile.display();
            let text = std::fs::read(containerfile)
                .map_err(|source| PodmanError::Unreadable { path: containerfile.to_owned(), source })?;
            if let Some(line) = Containerfile::parse(&String::from_utf8_lossy(&text)).here_document {
                let reason = format!(
                    "`{path}`, line {line}: a here-document needs podman {HERE_DOCUMENTS_VERSION} or newer, this is podman {version}"
                );
                let hint = "write it with `\\` at the ends of the lines, or copy a file, or build with a newer podman";
                return Err(PodmanError::Unfit { reason, hint });
            }
        }
        Ok(version)
    }

    /// The JSON document that a command prints to stdout.
    pub(super) async fn json(&self, command: &'static str, arguments: &[&str]) -> Result<Value, PodmanError> {
        let output = self.output(command, arguments).await?;
        serde_json::from_slice(&output).map_err(|error| PodmanError::answer(command, error))
    }

    /// What a command, of one word or two, prints to stdout.
    pub(super) async fn output(&self, command: &'static str, arguments: &[&str]) -> Result<Vec<u8>, PodmanError> {
        let (mut output, mut tail) = (Vec::new(), Tail::default());
        let mut call = self.command();
        call.args(command.split(' ')).args(arguments);
        let status = self.run(call, |bytes| output.extend_from_slice(bytes), |bytes| tail.push(bytes)).await?;
        if status.success() { Ok(output) } else { Err(PodmanError::Failed { command, reason: tail.cause(status) }) }
    }

    /// A call of podman without arguments; its stdout is a pipe to this process.
    pub(super) fn command(&self) -> Command {
        let mut command = self.environment.command(&self.program);
        command.stdout(Stdio::piped());
        command
    }

    /// Runs a call to its end: [`process::run`].
    pub(super) async fn run(
        &self,
        command: Command,
        on_stdout: impl FnMut(&[u8]) + Send,
        on_stderr: impl FnMut(&[u8]) + Send,
    ) -> Result<ExitStatus, PodmanError> {
        let ran = process::run(command, on_stdout, on_stderr).await;
        ran.map_err(|source| PodmanError::NotStarted { program: self.program.clone(), source })
    }
}

/// podman and its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// podman's version.
    pub version: Version,
    /// Whether it runs without root.
    pub rootless: bool,
    /// Where images are stored.
    pub graph_root: PathBuf,
    /// How layers are stored: `overlay`, `vfs`.
    pub graph_driver: String,
    /// Whether `overlay` goes through fuse instead of the kernel.
    pub fuse: bool,
    /// The container runtime, name and version: `crun 1.28`.
    pub runtime: String,
    /// What connects rootless containers: `pasta`.
    pub rootless_network: String,
    /// How many user ids podman has for its containers; 1 means none but the user's own.
    pub user_ids: u64,
}

impl Info {
    /// Reads the answer of `podman info --format json`. Fields that this podman does not have are empty.
    pub(super) fn read(answer: &Value) -> Result<Self, PodmanError> {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let rootless = answer.pointer("/host/security/rootless").and_then(Value::as_bool);
        let user_ids = answer.pointer("/host/idMappings/uidmap").and_then(Value::as_array);
        // `crun version 1.28` on the first of several lines.
        let runtime = text("/host/ociRuntime/version");
        let runtime_version =
            runtime.lines().next().and_then(|line| line.split_whitespace().last()).unwrap_or_default();
        Ok(Self {
            version: Version::parse(&text("/version/Version")).map_err(|error| PodmanError::answer("info", error))?,
            rootless: rootless.ok_or_else(|| PodmanError::answer("info", "`rootless` is missing"))?,
            graph_root: text("/store/graphRoot").into(),
            graph_driver: text("/store/graphDriverName"),
            fuse: answer.pointer("/store/graphOptions/overlay.mount_program").is_some(),
            runtime: format!("{} {runtime_version}", text("/host/ociRuntime/name")).trim_end().into(),
            rootless_network: text("/host/rootlessNetworkCmd"),
            user_ids: user_ids.into_iter().flatten().filter_map(|range| range["size"].as_u64()).sum(),
        })
    }
}

/// Whether a podman of this version is supported.
///
/// # Errors
/// [`PodmanError::TooOld`].
pub fn check_version(version: &Version) -> Result<(), PodmanError> {
    // A pre-release of the oldest version has what is needed, so only these two numbers count.
    let is_old = (version.major, version.minor) < (MIN_VERSION.major, MIN_VERSION.minor);
    if is_old { Err(PodmanError::TooOld { found: version.clone() }) } else { Ok(()) }
}

/// This machine's architecture by its Go name.
pub fn host_architecture() -> String {
    Arch::default().to_string()
}

/// Whether a machine of this architecture runs the platform's programs itself, its smaller sibling's included.
pub fn runs_natively(host: &str, platform: &Platform) -> bool {
    let wanted = platform.architecture.as_str();
    host == wanted || matches!((host, wanted), ("amd64", "386") | ("arm64", "arm"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::tests::{INFO, fake_podman, info, podman_named};

    /// Not read where podman is refused, or new enough for all of them.
    fn containerfile() -> PathBuf {
        "/nowhere/Containerfile".into()
    }

    #[tokio::test]
    async fn an_answer_that_is_no_json_is_an_error() {
        let (_folder, podman) = fake_podman("echo 'podman: not configured'");
        let error = podman.info().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`podman info` failed: its answer is not understood: expected value at line 1 column 1"
        );
    }

    #[tokio::test]
    async fn an_old_podman_is_refused() {
        let (_folder, podman) = fake_podman(r#"echo '{"Client":{"Version":"4.2.9"}}'"#);
        let error = podman.check(&containerfile()).await.unwrap_err();
        assert_eq!(error.to_string(), "podman 4.2.9 is too old, 4.3.0 or newer is needed");
    }

    #[rstest::rstest]
    #[case("4.3.1", "FROM a\nRUN true\n", None)]
    #[case(
        "4.9.3",
        "FROM a\nRUN <<E\nE\n",
        Some("line 2: a here-document needs podman 5.0.0 or newer, this is podman 4.9.3")
    )]
    #[case("5.0.0-rc1", "FROM a\nRUN <<E\nE\n", None)]
    #[tokio::test]
    async fn a_podman_that_cannot_read_the_containerfile_is_found_out(
        #[case] version: &str,
        #[case] text: &str,
        #[case] objection: Option<&str>,
    ) {
        let version = format!(r#"{{"Version":"{version}"}}"#);
        let versions = format!(r#"{{"Client":{version},"Server":{version}}}"#);
        let (folder, podman) =
            fake_podman(&format!("case $1 in version) echo '{versions}';; info) cat <<'JSON'\n{INFO}\nJSON\n;; esac"));
        let containerfile = folder.path().join("Containerfile");
        std::fs::write(&containerfile, text).unwrap();
        let error = podman.check(&containerfile).await.err().map(|error| error.to_string());
        assert_eq!(error, objection.map(|objection| format!("`{}`, {objection}", containerfile.display())));
    }

    #[rstest::rstest]
    #[case(INFO.to_owned(), true)]
    #[case(INFO.replace("\"rootless\": true", "\"rootless\": false"), false)]
    #[tokio::test]
    async fn a_service_elsewhere_is_asked_whether_it_is_root(#[case] info: String, #[case] fit: bool) {
        let versions = r#"{"Client":{"Version":"5.8.6"},"Server":{"Version":"5.8.6"}}"#;
        let (_folder, podman) =
            fake_podman(&format!("case $1 in version) echo '{versions}';; info) cat <<'JSON'\n{info}\nJSON\n;; esac"));
        match podman.check(&containerfile()).await {
            Ok(version) => assert!(fit && version.to_string() == "5.8.6"),
            Err(error) => assert!(!fit && error.to_string() == "podman runs as root here"),
        }
    }

    #[tokio::test]
    async fn a_podman_that_is_missing_or_cannot_be_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("podman");
        let error = podman_named(&program).check(&containerfile()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` cannot be run", program.display()));
        std::fs::write(&program, "no program").unwrap();
        assert!(matches!(podman_named(&program).check(&containerfile()).await, Err(PodmanError::NotStarted { .. })));
    }

    #[tokio::test]
    async fn a_podman_that_fails_is_quoted() {
        let (_folder, podman) = fake_podman("echo 'a warning' >&2; echo 'Error: no subuid ranges' >&2; exit 125");
        let error = podman.check(&containerfile()).await.unwrap_err();
        assert_eq!(error.to_string(), "`podman version` failed: no subuid ranges");
    }

    #[test]
    fn what_podman_says_is_read() {
        insta::assert_debug_snapshot!(info(), @r#"
        Info {
            version: Version {
                major: 5,
                minor: 8,
                patch: 6,
            },
            rootless: true,
            graph_root: "/home/user/.local/share/containers/storage",
            graph_driver: "overlay",
            fuse: false,
            runtime: "crun 1.28",
            rootless_network: "pasta",
            user_ids: 65537,
        }
        "#);
    }

    #[rstest::rstest]
    #[case("5.8.6", None)]
    #[case("4.3.1", None)]
    #[case("4.3.0-dev", None)]
    #[case("6.0.0", None)]
    #[case("4.2.9", Some("podman 4.2.9 is too old, 4.3.0 or newer is needed"))]
    #[case("3.4.4", Some("podman 3.4.4 is too old, 4.3.0 or newer is needed"))]
    fn only_a_podman_that_is_new_enough_is_supported(#[case] version: &str, #[case] error: Option<&str>) {
        let checked = check_version(&Version::parse(version).unwrap());
        assert_eq!(checked.err().map(|error| error.to_string()).as_deref(), error);
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
