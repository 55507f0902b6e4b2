//! `podman build` for one platform.

use std::{
    path::Path,
    process::ExitStatus,
    sync::{Mutex, PoisonError},
};

use super::{
    BuildRequest, ImageId, Podman, PodmanError,
    cache::AUTH_FILE_VARIABLE,
    host_architecture,
    lines::{Lines, Tail},
    process, runs_natively,
};

const COMMAND: &str = "podman build";
/// What the kernel's refusal to run a foreign program is called by every container runtime, in lower case.
const FOREIGN_PROGRAM: &str = "exec format error";
/// What crun calls a configuration of a newer OCI runtime specification than it knows, as podman 5.6 and newer write it.
pub(super) const RUNTIME_TOO_OLD: &str = "unknown version specified";
/// What a full disk is called, in lower case.
const DISK_FULL: &str = "no space left on device";

impl Podman {
    /// Builds one image and hands on each line that podman prints. Dropping the future ends the build with all that it
    /// runs.
    ///
    /// Whether this machine can run the platform's programs is not asked beforehand: a Containerfile that compiles for
    /// another platform and only copies the result needs no emulator.
    ///
    /// # Errors
    /// The Containerfile cannot be read; podman cannot be started; the build fails. After
    /// [`PodmanError::CacheNotWritten`] the same without writing goes on where this ended.
    pub async fn build(
        &self,
        request: &BuildRequest,
        on_line: impl Fn(String) + Send + Sync,
    ) -> Result<ImageId, PodmanError> {
        readable(&request.containerfile).await?;
        readable(&request.context).await?;
        let folder = tempfile::tempdir().map_err(PodmanError::Temporary)?;
        let id_file = folder.path().join("id");

        let tail = Mutex::new(Tail::default());
        let take = |line: String| {
            tail.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            on_line(line);
        };
        let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
        let mut command = self.command();
        command.args(request.arguments(&id_file));
        if let Some(file) = request.cache.as_ref().and_then(|cache| cache.auth_file.as_ref()) {
            command.env(AUTH_FILE_VARIABLE, file);
        }
        let status = process::run(
            command,
            |bytes| stdout.push(bytes, &mut |line| take(line)),
            |bytes| stderr.push(bytes, &mut |line| take(line)),
        )
        .await
        .map_err(|error| self.not_started(error))?;
        stdout.finish(&mut |line| take(line));
        stderr.finish(&mut |line| take(line));

        if !status.success() {
            return Err(failure(request, status, tail.into_inner().unwrap_or_else(PoisonError::into_inner)));
        }
        let id = tokio::fs::read_to_string(&id_file).await.map_err(PodmanError::Temporary)?;
        id.trim()
            .parse()
            .map_err(|_| PodmanError::Answer { command: COMMAND, reason: format!("`{id}` is no image id") })
    }
}

/// Opening is the one test that no permission or mount escapes.
async fn readable(path: &Path) -> Result<(), PodmanError> {
    match tokio::fs::File::open(path).await {
        Ok(_) => Ok(()),
        Err(source) => Err(PodmanError::ContainerfileUnreadable { path: path.into(), source }),
    }
}

fn failure(request: &BuildRequest, status: ExitStatus, tail: Tail) -> PodmanError {
    let platform = request.platform.clone();
    // First: a registry whose disk is full says so in the same words as this machine.
    let not_written = request.cache.as_ref().zip(tail.cause()).and_then(|(cache, error)| cache.not_written(error));
    if let Some(reason) = not_written {
        PodmanError::CacheNotWritten { platform, reason: reason.to_owned() }
    } else if tail.contains(DISK_FULL) {
        PodmanError::NoSpace { command: COMMAND, platform: Some(platform), tail }
    } else if tail.contains(FOREIGN_PROGRAM) && !runs_natively(host_architecture(), &platform) {
        PodmanError::EmulationMissing { platform, tail }
    } else if tail.contains(RUNTIME_TOO_OLD) {
        PodmanError::RuntimeTooOld { platform, status, tail }
    } else {
        PodmanError::BuildFailed { platform, status, tail }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, time::Duration};

    use tempfile::TempDir;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::podman::{LayerCache, fake::fake_podman};

    const ID: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    /// Finds the file that podman is to write the image's id to.
    const FIND_ID_FILE: &str = "while [ $# -gt 0 ]; do [ \"$1\" != --iidfile ] || file=$2; shift; done\n";
    /// How long a killed process may take to be gone.
    const GONE_MAX: Duration = Duration::from_secs(10);

    fn request(folder: &TempDir, platform: &str) -> BuildRequest {
        std::fs::write(folder.path().join("Containerfile"), "FROM scratch").unwrap();
        BuildRequest::new(platform.parse().unwrap(), folder.path().join("Containerfile"), folder.path())
    }

    /// A platform that this machine cannot run by itself.
    fn foreign() -> &'static str {
        if host_architecture() == "arm64" { "linux/s390x" } else { "linux/arm64" }
    }

    #[tokio::test]
    async fn both_streams_are_handed_on_and_the_id_is_returned() {
        let behaviour = format!("{FIND_ID_FILE} echo out; echo err >&2; printf half; printf {ID} >\"$file\"");
        let (folder, podman) = fake_podman(&behaviour);
        let seen = Mutex::new(Vec::new());
        let id = podman.build(&request(&folder, "linux/amd64"), |line| seen.lock().unwrap().push(line)).await.unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        assert_eq!((id.to_string().as_str(), seen), (ID, vec!["err".into(), "half".into(), "out".into()]));
    }

    #[rstest::rstest]
    #[case("Error: building at STEP \"RUN false\": exit status 7", 7, "linux/amd64", "BuildFailed")]
    #[case("write /x: No space left on device", 125, "linux/amd64", "NoSpace")]
    #[case("error running container: from /usr/bin/crun: unknown version specified", 1, "linux/amd64", "RuntimeTooOld")]
    #[case("exec container process `/bin/sh`: Exec format error", 1, foreign(), "EmulationMissing")]
    #[case("exec /bin/sh: exec format error", 1, foreign(), "EmulationMissing")]
    #[tokio::test]
    async fn a_failed_build_is_told_by_its_last_lines(
        #[case] line: &str,
        #[case] status: u8,
        #[case] platform: &str,
        #[case] kind: &str,
    ) {
        let (folder, podman) = fake_podman(&format!("cat >&2 <<'END'\n{line}\nEND\nexit {status}"));
        let error = podman.build(&request(&folder, platform), |_| ()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        assert_eq!(error.tail().unwrap().lines().collect::<Vec<_>>(), [line]);
    }

    #[tokio::test]
    async fn a_broken_program_of_this_machines_own_kind_is_no_missing_emulator() {
        let (folder, podman) = fake_podman("echo 'exec /bad: exec format error'; exit 1");
        let own = format!("linux/{}", host_architecture());
        let error = podman.build(&request(&folder, &own), |_| ()).await.unwrap_err();
        assert!(matches!(error, PodmanError::BuildFailed { .. }), "{error:?}");
    }

    #[rstest::rstest]
    #[case(true, "CacheNotWritten")]
    #[case(false, "NoSpace")]
    #[tokio::test]
    async fn only_a_build_that_writes_to_a_cache_fails_by_it_whatever_the_registry_says(
        #[case] write: bool,
        #[case] kind: &str,
    ) {
        let said = "Error: failed pushing cache to {\"h:1\"}: writing blob: no space left on device";
        let (folder, podman) = fake_podman(&format!("cat >&2 <<'END'\n{said}\nEND\nexit 125"));
        let repository = "ghcr.io/acme/hello-cache-amd64".parse().unwrap();
        let cache = Some(LayerCache { repository, write, plain_http: false, auth_file: None });
        let request = BuildRequest { cache, ..request(&folder, "linux/amd64") };
        let error = podman.build(&request, |_| ()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
    }

    #[rstest::rstest]
    #[case(true, "/run/lent")]
    #[case(false, "not said")]
    #[tokio::test]
    async fn an_auth_file_is_for_the_build_that_has_one(#[case] lent: bool, #[case] expected: &str) {
        let (folder, podman) = fake_podman("echo \"${REGISTRY_AUTH_FILE:-not said}\"; exit 1");
        let repository = "ghcr.io/acme/hello-cache-amd64".parse().unwrap();
        let auth_file = lent.then(|| "/run/lent".into());
        let cache = Some(LayerCache { repository, write: true, plain_http: false, auth_file });
        let request = BuildRequest { cache, ..request(&folder, "linux/amd64") };
        let error = podman.build(&request, |_| ()).await.unwrap_err();
        assert_eq!(error.tail().unwrap().lines().collect::<Vec<_>>(), [expected]);
    }

    #[tokio::test]
    async fn nothing_is_run_without_a_containerfile() {
        let (folder, podman) = fake_podman("touch \"$here/ran\"");
        let request =
            BuildRequest { containerfile: "/nowhere/Containerfile".into(), ..request(&folder, "linux/amd64") };
        let error = podman.build(&request, |_| ()).await.unwrap_err();
        assert_eq!(error.to_string(), "`/nowhere/Containerfile` cannot be read");
        assert!(!folder.path().join("ran").exists());
    }

    #[tokio::test]
    async fn a_success_without_an_id_is_an_error() {
        let (folder, podman) = fake_podman(&format!("{FIND_ID_FILE} echo nonsense >\"$file\""));
        let error = podman.build(&request(&folder, "linux/amd64"), |_| ()).await.unwrap_err();
        assert!(matches!(error, PodmanError::Answer { .. }), "{error:?}");
    }

    /// The fifo is open for writing in podman, in its helper and in what left the group: reading it ends when all of
    /// them are gone. The helper's end lets podman end by itself.
    #[tokio::test]
    async fn a_build_that_is_dropped_ends_with_all_that_it_runs_and_podman_cleans_up() {
        let (folder, podman) = fake_podman(
            "trap 'touch \"$here/told\"' TERM; mkfifo \"$here/alive\"; echo ready; exec 3>\"$here/alive\"\n\
             setsid sh -c 'echo x >&3; exec sleep 1000' &\n\
             sleep 1000; touch \"$here/cleaned\"",
        );
        let (request, alive) = (request(&folder, "linux/amd64"), folder.path().join("alive"));
        let (ready, mut is_ready) = mpsc::unbounded_channel();
        let build = tokio::spawn(async move { podman.build(&request, |line| _ = ready.send(line)).await });
        assert_eq!(is_ready.recv().await.as_deref(), Some("ready"));

        // A thread of its own: the runtime would wait for one of its own pool when the test fails.
        let (opened, is_open) = oneshot::channel();
        let (gone, are_gone) = oneshot::channel();
        std::thread::spawn(move || {
            let mut fifo = std::fs::File::open(alive).unwrap();
            fifo.read_exact(&mut [0; 2]).unwrap();
            opened.send(()).unwrap();
            gone.send(fifo.read_to_end(&mut Vec::new()).unwrap())
        });
        is_open.await.unwrap();
        build.abort();
        assert!(build.await.unwrap_err().is_cancelled());
        assert_eq!(tokio::time::timeout(GONE_MAX, are_gone).await.expect("the build still runs"), Ok(0));
        assert!(folder.path().join("cleaned").exists() && !folder.path().join("told").exists());
    }
}
