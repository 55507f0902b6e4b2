//! `podman build` for one platform, with a layer cache that builds share through a registry.
//!
//! podman keeps each step's image in the cache under a tag of 64 hexadecimal digits. What it cannot pull it builds; what it
//! cannot push ends its build, so the caller must be ready to build again without writing.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Mutex, PoisonError},
};

use super::{
    Podman, PodmanError, RUNTIME_TOO_OLD_HINT, host_architecture,
    process::{Tail, shown},
    runs_natively,
};
use crate::oci::{Digest, Platform, Repository};

/// How podman's error begins when a step cannot be pushed (buildah's `pushCache`).
const NOT_PUSHED: &str = "failed pushing cache to ";
/// The kernel's refusal to run a foreign program, as every container runtime prints it, in lower case.
const FOREIGN_PROGRAM: &str = "exec format error";
/// What crun prints for a configuration of a newer OCI runtime specification than it knows, as podman 5.6 and newer write it.
const RUNTIME_TOO_OLD: &str = "unknown version specified";
/// What is printed for a full disk, in lower case.
const DISK_FULL: &str = "no space left on device";

/// One image for one platform.
///
/// Build arguments are no place for secrets: podman takes them on its command line, where every user of the machine sees
/// them, and keeps them in the image's history.
#[derive(Clone)]
pub struct BuildRequest {
    /// The platform to build for.
    pub platform: Platform,
    /// The Containerfile.
    pub containerfile: PathBuf,
    /// The folder that `COPY` copies from.
    pub context: PathBuf,
    /// `--build-arg`s.
    pub build_args: Vec<(String, String)>,
    /// Where steps of earlier builds are found, beside podman's own store.
    pub cache: Option<LayerCache>,
    /// Runs every step, without any cache of steps.
    pub no_cache: bool,
}

/// A repository where a build finds steps of earlier builds, and stores its own.
///
/// It must belong to one platform: podman's key of a step does not tell platforms apart, so on a common repository images
/// for one would be found, or overwritten, by builds for another wherever both begin alike (`FROM scratch`, a
/// cross-compiling stage).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCache {
    /// The repository.
    pub repository: Repository,
    /// Whether the build stores its steps.
    pub write: bool,
    /// Whether the registry has no TLS. podman knows this for a whole build only: certificates of other registries are
    /// not verified then either.
    pub plain_http: bool,
    /// An auth file for this build alone, in place of the user's.
    pub auth_file: Option<PathBuf>,
}

impl BuildRequest {
    /// podman's arguments: the same for every version, and none that podman 4.3 lacks. What makes the image depend on the
    /// version or on the time is taken out when it is staged.
    ///
    /// - `--format docker`: an OCI configuration has no HEALTHCHECK.
    /// - `--layers`: in place of the variable `BUILDAH_LAYERS`.
    fn add_arguments(&self, command: &mut Command, id_file: &Path) {
        command.args(["build", "--format=docker", "--layers", "--platform", &self.platform.to_string()]);
        command.arg("--file").arg(&self.containerfile).arg("--iidfile").arg(id_file);
        if self.no_cache {
            command.arg("--no-cache");
        }
        if let Some(cache) = &self.cache {
            let repository = cache.repository.to_string();
            command.args(["--cache-from", &repository]);
            if cache.write {
                command.args(["--cache-to", &repository]);
            }
            if cache.plain_http {
                command.arg("--tls-verify=false");
            }
            if let Some(file) = &cache.auth_file {
                // In place of the user's own auth files.
                command.env("REGISTRY_AUTH_FILE", file);
            }
        }
        for (name, value) in &self.build_args {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        command.arg(&self.context);
    }
}

impl LayerCache {
    /// Why a build that failed for this reason could not write here; [`None`] if it failed for another one.
    fn not_written<'a>(&self, reason: &'a str) -> Option<&'a str> {
        let rest = reason.strip_prefix(NOT_PUSHED).filter(|_| self.write)?;
        // First come repository and tag, which podman 5.8 garbles.
        let (_, reason) = rest.split_once("}: ").or_else(|| rest.split_once("\": ")).unwrap_or_default();
        Some(if reason.is_empty() { rest } else { reason })
    }
}

impl Podman {
    /// Builds one image, returns its id and hands on each line that podman prints. Dropping the future ends the build with all that it
    /// runs.
    ///
    /// Whether this machine can run the platform's programs is not checked beforehand: a Containerfile that compiles for
    /// another platform and only copies the result needs no emulator.
    ///
    /// # Errors
    /// The Containerfile cannot be read; podman cannot be started; the build fails. After
    /// [`PodmanError::CacheNotWritten`] the same build without writing continues where this one ended.
    pub async fn build(
        &self,
        request: &BuildRequest,
        on_line: impl Fn(String) + Send + Sync,
    ) -> Result<Digest, PodmanError> {
        for path in [&request.containerfile, &request.context] {
            // Opening is the one test that no permission or mount escapes.
            let unreadable = |source| PodmanError::Unreadable { path: path.clone(), source };
            tokio::fs::File::open(path).await.map_err(unreadable)?;
        }
        let folder = tempfile::tempdir().map_err(PodmanError::Temporary)?;
        let id_file = folder.path().join("id");
        let mut command = self.command();
        request.add_arguments(&mut command, &id_file);

        let tail = Mutex::new(Tail::default());
        let take = |line: &[u8]| {
            tail.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            shown(line).into_iter().for_each(&on_line);
        };
        let status = self.run(command, take, take).await?;
        if !status.success() {
            return Err(failure(request, status, &tail.into_inner().unwrap_or_else(PoisonError::into_inner)));
        }
        let id = tokio::fs::read_to_string(&id_file).await.map_err(PodmanError::Temporary)?;
        // It may come without the algorithm.
        let id = id.trim().trim_start_matches("sha256:");
        format!("sha256:{id}").parse().map_err(|_| PodmanError::answer("build", format!("`{id}` is no image id")))
    }
}

fn failure(request: &BuildRequest, status: ExitStatus, tail: &Tail) -> PodmanError {
    let (platform, cause) = (request.platform.clone(), tail.cause(status));
    // First: a registry whose disk is full says so in the same words as this machine.
    if let Some(reason) = request.cache.as_ref().and_then(|cache| cache.not_written(&cause)) {
        return PodmanError::CacheNotWritten { platform, reason: reason.to_owned() };
    }
    let (meaning, hint) = if tail.contains(DISK_FULL) {
        let hint = "`podman system prune` frees what no image needs; `TMPDIR` may be on a full disk too";
        ("no space was left".into(), hint)
    } else if tail.contains(FOREIGN_PROGRAM) && !runs_natively(&host_architecture(), &platform) {
        let hint =
            "build on a machine of that architecture, or install an emulator (`apt-get install qemu-user-static`)";
        (format!("a program of {platform} cannot run on this machine"), hint)
    } else if tail.contains(RUNTIME_TOO_OLD) {
        ("the container runtime is too old for this podman".into(), RUNTIME_TOO_OLD_HINT)
    } else {
        return PodmanError::Build { platform, reason: cause, hint: None };
    };
    PodmanError::Build { platform, reason: format!("{meaning}: {cause}"), hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, time::Duration};

    use tempfile::TempDir;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::podman::tests::fake_podman;

    const ID: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    /// Finds the file that podman is to write the image's id to.
    const FIND_ID_FILE: &str = "while [ $# -gt 0 ]; do [ \"$1\" != --iidfile ] || file=$2; shift; done\n";
    /// How long a killed process may take to be gone.
    const GONE_MAX: Duration = Duration::from_secs(10);

    fn request(folder: &TempDir, platform: &str) -> BuildRequest {
        std::fs::write(folder.path().join("Containerfile"), "FROM scratch").unwrap();
        BuildRequest {
            platform: platform.parse().unwrap(),
            containerfile: folder.path().join("Containerfile"),
            context: folder.path().into(),
            build_args: Vec::new(),
            cache: None,
            no_cache: false,
        }
    }

    fn cache(write: bool) -> LayerCache {
        LayerCache {
            repository: "127.0.0.1:5000/acme/c-amd64".parse().unwrap(),
            write,
            plain_http: false,
            auth_file: None,
        }
    }

    /// podman's arguments, with words for the folder and for the file of the image's id.
    fn arguments(folder: &TempDir, request: &BuildRequest) -> String {
        let mut command = Command::new("podman");
        request.add_arguments(&mut command, Path::new("ID"));
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        arguments.join(" ").replace(folder.path().to_str().unwrap(), "FOLDER")
    }

    #[test]
    fn a_plain_build() {
        let folder = tempfile::tempdir().unwrap();
        insta::assert_snapshot!(arguments(&folder, &request(&folder, "linux/arm64")), @"build --format=docker --layers --platform linux/arm64 --file FOLDER/Containerfile --iidfile ID FOLDER");
    }

    #[test]
    fn a_build_with_everything() {
        let folder = tempfile::tempdir().unwrap();
        let request = BuildRequest {
            build_args: vec![("VERSION".into(), "1.2.0".into())],
            cache: Some(LayerCache { auth_file: Some("/tmp/auth".into()), ..cache(true) }),
            no_cache: true,
            ..request(&folder, "linux/amd64")
        };
        insta::assert_snapshot!(arguments(&folder, &request), @"build --format=docker --layers --platform linux/amd64 --file FOLDER/Containerfile --iidfile ID --no-cache --cache-from 127.0.0.1:5000/acme/c-amd64 --cache-to 127.0.0.1:5000/acme/c-amd64 --build-arg VERSION=1.2.0 FOLDER");
    }

    #[test]
    fn a_cache_without_tls_is_only_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Some(LayerCache { plain_http: true, ..cache(false) });
        let arguments = arguments(&folder, &BuildRequest { cache, ..request(&folder, "linux/amd64") });
        assert!(arguments.contains(" --cache-from 127.0.0.1:5000/acme/c-amd64 --tls-verify=false "), "{arguments}");
    }

    /// A platform that this machine cannot run by itself.
    fn foreign() -> &'static str {
        if host_architecture() == "arm64" { "linux/s390x" } else { "linux/arm64" }
    }

    #[rstest::rstest]
    // As podman 5.8 prints it.
    #[case(
        r#"failed pushing cache to {{{"h:1" "a/c"} "29306f"} %!q(bool=false)}: trying to reuse blob sha256:54 at destination: unauthorized"#,
        Some("trying to reuse blob sha256:54 at destination: unauthorized")
    )]
    #[case(r#"failed pushing cache to "docker://h:1/a/c:29306f": no route: to host"#, Some("no route: to host"))]
    #[case("failed pushing cache to somewhere", Some("somewhere"))]
    #[case(r#"building at STEP "RUN false": exit status 7"#, None)]
    #[case(r#"building at STEP "RUN echo failed pushing cache to ": exit status 7"#, None)]
    fn a_cache_that_is_not_written_is_told_apart_from_a_build_that_fails(
        #[case] error: &str,
        #[case] reason: Option<&str>,
    ) {
        assert_eq!(cache(true).not_written(error), reason);
        assert_eq!(cache(false).not_written(error), None, "nothing was to be written");
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
    #[case("Error: building at STEP \"RUN false\": exit status 7", 7, "linux/amd64", "building at STEP", false)]
    #[case("write /x: No space left on device", 125, "linux/amd64", "no space was left: write", true)]
    #[case(
        "error running container: from /usr/bin/crun: unknown version specified",
        1,
        "linux/amd64",
        "the container runtime is too old for this podman: ",
        true
    )]
    #[case("exec container process `/bin/sh`: Exec format error", 1, foreign(), "a program of linux/", true)]
    #[case("exec /bin/sh: exec format error", 1, foreign(), "a program of linux/", true)]
    #[tokio::test]
    async fn a_failed_build_is_explained_by_its_last_lines(
        #[case] line: &str,
        #[case] status: u8,
        #[case] platform: &str,
        #[case] expected: &str,
        #[case] has_hint: bool,
    ) {
        let (folder, podman) = fake_podman(&format!("cat >&2 <<'END'\n{line}\nEND\nexit {status}"));
        let error = podman.build(&request(&folder, platform), |_| ()).await.unwrap_err();
        let PodmanError::Build { reason, hint, .. } = error else { panic!("{error:?}") };
        assert!(reason.starts_with(expected) && reason.ends_with(line.trim_start_matches("Error: ")), "{reason}");
        assert_eq!(hint.is_some(), has_hint);
    }

    #[tokio::test]
    async fn a_broken_program_of_this_machines_own_architecture_is_no_missing_emulator() {
        let (folder, podman) = fake_podman("echo 'exec /bad: exec format error'; exit 1");
        let own = format!("linux/{}", host_architecture());
        let error = podman.build(&request(&folder, &own), |_| ()).await.unwrap_err();
        assert!(matches!(error, PodmanError::Build { hint: None, .. }), "{error:?}");
    }

    #[rstest::rstest]
    #[case(true, "CacheNotWritten")]
    #[case(false, "Build")]
    #[tokio::test]
    async fn only_a_build_that_writes_to_a_cache_fails_because_of_it(#[case] write: bool, #[case] kind: &str) {
        let said = "Error: failed pushing cache to {\"h:1\"}: writing blob: no space left on device";
        let (folder, podman) = fake_podman(&format!("cat >&2 <<'END'\n{said}\nEND\nexit 125"));
        let request = BuildRequest { cache: Some(cache(write)), ..request(&folder, "linux/amd64") };
        let error = podman.build(&request, |_| ()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
    }

    #[rstest::rstest]
    #[case(Some("/run/auth.json"), "/run/auth.json")]
    #[case(None, "not set")]
    #[tokio::test]
    async fn an_auth_file_is_for_the_build_that_has_one(#[case] auth_file: Option<&str>, #[case] expected: &str) {
        let (folder, podman) = fake_podman("echo \"${REGISTRY_AUTH_FILE:-not set}\"; exit 1");
        let cache = Some(LayerCache { auth_file: auth_file.map(Into::into), ..cache(true) });
        let request = BuildRequest { cache, ..request(&folder, "linux/amd64") };
        let error = podman.build(&request, |_| ()).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
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
        assert_eq!(error.to_string(), "`podman build` failed: its answer is not understood: `nonsense` is no image id");
    }

    /// The fifo is open for writing in podman, in its helper and in what left the group: reading it ends when all of
    /// them are gone. The helper's end lets podman end by itself.
    #[tokio::test]
    async fn a_dropped_build_ends_with_all_that_it_runs_and_podman_cleans_up() {
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
