//! The program podman, and the commands that only read.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};

use semver::Version;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    HERE_DOCUMENTS_VERSION, Info, PodmanError,
    info::check_version,
    process::{self, Tail},
};
use crate::{containerfile::Containerfile, environment::Environment};

/// The variable that names another program than the `podman` of `PATH`.
pub const PROGRAM_VARIABLE: &str = "TALLYMAN_PODMAN";

/// podman on this machine. Clones share the answer of `podman info`.
#[derive(Debug, Clone)]
pub struct Podman {
    program: PathBuf,
    environment: Environment,
    info: Arc<OnceCell<Info>>,
}

impl Podman {
    /// The podman that the environment names.
    pub fn new(environment: &Environment) -> Self {
        let program = environment.get(PROGRAM_VARIABLE).unwrap_or("podman").into();
        Self { program, environment: environment.clone(), info: Arc::default() }
    }

    /// What podman says about itself and its host; asked once.
    ///
    /// # Errors
    /// podman is not there, or does not work for this user.
    pub async fn info(&self) -> Result<&Info, PodmanError> {
        let ask = async || Info::parse(&self.output("podman info", &["info", "--format", "json"]).await?);
        self.info.get_or_try_init(ask).await
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
        const COMMAND: &str = "podman version";
        let answer = self.output(COMMAND, &["version", "--format", "json"]).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| PodmanError::answer(COMMAND, error))?;
        let version = answer.pointer("/Client/Version").and_then(Value::as_str).unwrap_or_default();
        let version = Version::parse(version).map_err(|error| PodmanError::answer(COMMAND, error))?;
        // There is a server only if podman is a client of a service elsewhere.
        let rootless = match answer.get("Server") {
            Some(_) => self.info().await?.rootless,
            None => !rustix::process::geteuid().is_root(),
        };
        check_version(&version, rootless)?;
        if version.major < HERE_DOCUMENTS_VERSION.major {
            let unreadable = |source| PodmanError::Unreadable { path: containerfile.to_owned(), source };
            let text = tokio::fs::read(containerfile).await.map_err(unreadable)?;
            if let Some(line) = Containerfile::parse(&String::from_utf8_lossy(&text)).here_document {
                return Err(PodmanError::HereDocument { path: containerfile.to_owned(), line, found: version });
            }
        }
        Ok(version)
    }

    /// What a command prints to stdout.
    pub(super) async fn output(&self, command: &'static str, arguments: &[&str]) -> Result<Vec<u8>, PodmanError> {
        let (mut output, mut tail) = (Vec::new(), Tail::default());
        let mut call = self.command();
        call.args(arguments);
        let status = self.run(call, |bytes| output.extend_from_slice(bytes), |line| tail.push(line)).await?;
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
        on_stderr: impl FnMut(String) + Send,
    ) -> Result<ExitStatus, PodmanError> {
        process::run(command, on_stdout, on_stderr).await.map_err(|source| {
            let program = self.program.clone();
            match source.kind() {
                io::ErrorKind::NotFound => PodmanError::NotFound { program },
                _ => PodmanError::Unusable { program, source },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::podman::tests::{INFO, fake_podman, podman_named};

    /// Not read where podman is refused, or new enough for all of them.
    fn containerfile() -> PathBuf {
        "/nowhere/Containerfile".into()
    }

    #[tokio::test]
    async fn what_podman_says_of_itself_is_asked_once() {
        let (folder, podman) = fake_podman(&format!("echo \"$@\" >>\"$here/calls\"\ncat <<'JSON'\n{INFO}\nJSON\n"));
        assert_eq!(podman.info().await.unwrap().version.to_string(), "5.8.6");
        assert!(podman.clone().info().await.is_ok());
        assert_eq!(std::fs::read_to_string(folder.path().join("calls")).unwrap(), "info --format json\n");
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
            Err(error) => assert!(!fit && matches!(error, PodmanError::Rootful)),
        }
    }

    #[tokio::test]
    async fn no_podman_is_told_apart_from_one_that_cannot_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("podman");
        assert!(matches!(podman_named(&missing).check(&containerfile()).await, Err(PodmanError::NotFound { .. })));
        std::fs::write(&missing, "no program").unwrap();
        assert!(matches!(podman_named(&missing).check(&containerfile()).await, Err(PodmanError::Unusable { .. })));
    }

    #[tokio::test]
    async fn a_podman_that_fails_is_quoted() {
        let (_folder, podman) = fake_podman("echo 'a warning' >&2; echo 'Error: no subuid ranges' >&2; exit 125");
        let error = podman.check(&containerfile()).await.unwrap_err();
        assert_eq!(error.to_string(), "`podman version` failed: no subuid ranges");
    }
}
