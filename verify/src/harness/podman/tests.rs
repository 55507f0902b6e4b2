//! Hosts and the witness with the real podman, which must be rootless. They fail where it is missing, by intent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{PodmanHost, PullTest, command::podman, remove_hosts_below, version};
use crate::{
    client::{Client, Depth, ExecutableKind, Repository},
    harness::{
        proxy::Proxy,
        registry::{Backend, Registry},
        tls::Authority,
    },
    history::{Recorder, Service},
};

const BASE: &str = "localhost/tallyman/base:amd64";
const HINT: &str = "these tests need podman without root: run them by `just test` or scripts/rootless";

/// The image of the fixtures. The path is looked up when the tests run: they may run in a copy of the project.
fn fixture() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../fixtures/image")
}

/// A folder for hosts, with the bases at hand.
async fn folder() -> TempDir {
    let rootless = call(&BTreeMap::new(), &["info", "--format", "{{.Host.Security.Rootless}}"]).await;
    assert_eq!(rootless, "true", "{HINT}");
    PodmanHost::provide_bases(&fixture()).await.unwrap();
    tempfile::tempdir().unwrap()
}

async fn call(environment: &BTreeMap<String, String>, arguments: &[&str]) -> String {
    podman(environment, arguments)
        .await
        .unwrap()
        .ok(&arguments.join(" "))
        .unwrap_or_else(|it| panic!("{}", it.with_causes()))
}

/// Asserts that nothing of a host is left: files, mounts in the user's namespace, processes.
async fn assert_gone(folder: &Path) {
    assert!(!folder.exists());
    let folder = folder.to_str().unwrap();
    let mounts = call(&BTreeMap::new(), &["unshare", "cat", "/proc/self/mountinfo"]).await;
    assert!(!mounts.contains(folder), "{mounts}");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Processes end, and others' cannot be read.
        let Ok(words) = fs::read(entry.path().join("cmdline")) else { continue };
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        assert!(!words.contains(folder), "{words}");
    }
}

/// Starts a container that runs on, leaves another one mounted, and kills a build in the middle of a step. All have the
/// host's folder in their command lines.
async fn keep_busy(host: &PodmanHost, folder: &Path) {
    let environment = host.environment();
    let sleep = format!("sleep 1000; : {}", folder.display());
    let run = ["run", "--detach", "--pull=never", "--network=none", BASE, "sh", "-c", &sleep];
    call(&environment, &run).await;
    let id = call(&environment, &["create", "--pull=never", "--network=none", BASE]).await;
    call(&environment, &["unshare", "podman", "mount", &id]).await;
    kill_a_build(&environment, &folder.join("context"), &sleep).await;
    let mounts = call(&BTreeMap::new(), &["unshare", "cat", "/proc/self/mountinfo"]).await;
    let mounted = |line: &&str| line.contains(folder.to_str().unwrap()) && line.contains("/merged ");
    // What a build works in is a third one where podman mounts it for all its processes, which older ones do not.
    assert!(mounts.lines().filter(mounted).count() >= 2, "{mounts}");
}

async fn kill_a_build(environment: &BTreeMap<String, String>, context: &Path, step: &str) {
    fs::create_dir(context).unwrap();
    fs::write(context.join("Containerfile"), format!("FROM {BASE}\nRUN echo begun; {step}\n")).unwrap();
    let mut build = Command::new("podman")
        .args(["build", "--pull=never", "--network=none"])
        .arg(context)
        .envs(environment)
        // What a killed build leaves there goes with the host.
        .env("TMPDIR", context.parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    while lines.next_line().await.unwrap().expect("the build ends too early") != "begun" {}
    let group = Pid::from_raw(build.id().unwrap().cast_signed()).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    build.wait().await.unwrap();
}

#[tokio::test]
async fn podman_tells_its_version() {
    let version = semver::Version::parse(&version().await.expect(HINT)).unwrap();
    assert!(version >= semver::Version::new(4, 3, 0), "{version}");
}

#[tokio::test]
async fn a_podman_host_knows_the_bases_and_nothing_that_others_built() {
    let folder = folder().await;
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let (one, other) = (PodmanHost::new(&one).unwrap(), PodmanHost::new(&other).unwrap());
    let containerfile = folder.path().join("Containerfile");
    fs::write(&containerfile, format!("FROM {BASE}\nRUN echo built >/built\n")).unwrap();
    let build = ["build", "--pull=never", "--network=none", "--tag=localhost/built", "--file"];
    let (file, context) = (containerfile.to_str().unwrap(), folder.path().join("context"));
    fs::create_dir(&context).unwrap();
    call(&one.environment(), &[&build[..], &[file, context.to_str().unwrap()]].concat()).await;
    let has = async |host: &PodmanHost, image: &str| {
        podman(&host.environment(), &["image", "exists", image]).await.unwrap().success
    };
    assert!(has(&one, "localhost/built").await && has(&one, BASE).await);
    assert!(!has(&other, "localhost/built").await && has(&other, BASE).await);
    assert_eq!(
        call(&one.environment(), &["run", "--rm", "--network=none", "localhost/built", "cat", "/built"]).await,
        "built"
    );
    let empty = PodmanHost::empty(&folder.path().join("empty")).unwrap();
    assert!(!has(&empty, BASE).await);
    for host in [one, other, empty] {
        host.remove().await.unwrap();
    }
    assert_gone(&folder.path().join("one")).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_podman_host_that_was_removed() {
    let folder = folder().await;
    let place = folder.path().join("host");
    let host = PodmanHost::new(&place).unwrap();
    keep_busy(&host, &place).await;
    host.remove().await.unwrap();
    assert_gone(&place).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_podman_host_that_was_dropped() {
    let folder = folder().await;
    let place = folder.path().join("host");
    let host = PodmanHost::new(&place).unwrap();
    keep_busy(&host, &place).await;
    drop(host);
    assert_gone(&place).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_podman_host_whose_process_was_killed() {
    let folder = folder().await;
    let place = folder.path().join("run/build/podman");
    let host = PodmanHost::new(&place).unwrap();
    keep_busy(&host, &place).await;
    std::mem::forget(host);
    remove_hosts_below(folder.path()).await.unwrap();
    assert_gone(&place).await;
    assert!(folder.path().join("run/build").exists());
}

/// Builds an image and pushes it. Health checks are for Docker's format only.
async fn publish(folder: &Path, context: &Path, format: [&str; 2], platforms: &str, image: &str) {
    let host = PodmanHost::new(&folder.join("builder")).unwrap();
    let [build, push] = format.map(|format| format!("--format={format}"));
    let build =
        ["build", "--pull=never", "--network=none", &build, platforms, "--manifest=list", context.to_str().unwrap()];
    call(&host.environment(), &build).await;
    call(&host.environment(), &["manifest", "push", "--all", &push, "list", &format!("docker://{image}")]).await;
    host.remove().await.unwrap();
}

#[tokio::test]
async fn the_pull_test_shows_what_users_get() {
    let folder = folder().await;
    let registry = Registry::start(Backend::Process, None).await.unwrap();
    let repository = format!("{}/acme/hello", registry.host());
    let platforms = "--platform=linux/amd64,linux/arm64";
    publish(folder.path(), &fixture(), ["docker", "v2s2"], platforms, &format!("{repository}:latest")).await;
    let place = Repository::parse("ghcr", &repository).unwrap();
    let digest = Client::new(place.clone()).unwrap().resolve("latest").await.unwrap().unwrap();
    let mut pull_test = PullTest::new(&folder.path().join("witness"), std::slice::from_ref(&place)).unwrap();
    let mut images = Vec::new();
    let (amd64, arm64) = (("linux/amd64", "x86_64"), ("linux/arm64", "aarch64"));
    for (reference, (platform, machine)) in [("latest", amd64), ("latest", arm64), (&*digest, arm64)] {
        let run = pull_test.run(&place, reference, platform, "arch").await.unwrap();
        assert_eq!((run.machine.as_deref(), run.health.as_deref()), (Some(machine), Some("healthy")), "{run:?}");
        assert_eq!((&*run.server, &*run.reference, &*run.platform), ("ghcr", reference, platform));
        images.push(run.pulled.unwrap());
    }
    assert!(images[0] != images[1] && images[1] == images[2], "{images:?}");
    pull_test.remove().await.unwrap();
    assert_gone(&folder.path().join("witness")).await;

    // The same by reading alone.
    let publication = Client::new(place).unwrap().publication("latest", Depth::Layers).await.unwrap();
    assert_eq!(publication.missing, []);
    for (platform, machine) in [amd64, arm64] {
        let child = publication.platform(platform).unwrap();
        let kinds: Vec<_> = child.executables.iter().flatten().map(|it| (&*it.path, &it.kind)).collect();
        let (shell, machine) = ("/bin/sh".to_owned(), machine.to_owned());
        assert_eq!(
            kinds,
            [
                ("/usr/local/bin/service", &ExecutableKind::Script { interpreter: shell }),
                ("/bin/busybox", &ExecutableKind::Elf { machine })
            ]
        );
    }
}

#[tokio::test]
async fn the_pull_test_shows_failures_and_keeps_no_image() {
    let folder = folder().await;
    let registry = Registry::start(Backend::Process, None).await.unwrap();
    let repository = format!("{}/acme/hello", registry.host());
    let context = folder.path().join("context");
    fs::create_dir(&context).unwrap();
    let containerfile =
        format!("FROM {BASE}\nENTRYPOINT [\"sh\", \"-c\", \"[ $0 = arch ] && uname -m || sleep 100\"]\n");
    fs::write(context.join("Containerfile"), containerfile).unwrap();
    let image = format!("{repository}:latest");
    publish(folder.path(), &context, ["oci", "oci"], "--platform=linux/amd64", &image).await;
    let place = Repository::parse("ghcr", &repository).unwrap();
    let mut pull_test = PullTest::new(&folder.path().join("witness"), std::slice::from_ref(&place)).unwrap();
    let without_check = pull_test.run(&place, "latest", "linux/amd64", "arch").await.unwrap();
    assert_eq!((without_check.machine.as_deref(), without_check.health), (Some("x86_64"), None));
    let absent = pull_test.run(&place, "1.2.0", "linux/amd64", "arch").await.unwrap();
    assert!(absent.pulled.unwrap_err().contains("manifest unknown"));
    assert_eq!((absent.machine, absent.health), (None, None));
    let foreign = pull_test.run(&place, "latest", "linux/arm64", "arch").await.unwrap();
    assert!(foreign.pulled.is_err(), "{foreign:?}");
    let config = folder.path().join("witness/config").to_string_lossy().into_owned();
    let environment = BTreeMap::from([("XDG_CONFIG_HOME".to_owned(), config)]);
    assert_eq!(call(&environment, &["images", "--quiet", "--all"]).await, "");
    pull_test.remove().await.unwrap();
}

#[tokio::test]
async fn the_pull_test_trusts_the_given_ca_only() {
    let folder = folder().await;
    let registry = Registry::start(Backend::Process, None).await.unwrap();
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let recorder = Recorder::default();
    let proxy = Proxy::start_with("ghcr", Service::Registry, &recorder, authority.server().ok()).await.unwrap();
    proxy.set_upstream(registry.host());
    let (trusted, strange) = (folder.path().join("ca.pem"), folder.path().join("stranger.pem"));
    fs::write(&trusted, authority.pem()).unwrap();
    fs::write(&strange, stranger.pem()).unwrap();
    let place = Repository::parse("ghcr", &format!("{}/acme/hello", proxy.address())).unwrap();
    let mut pull_test = PullTest::new(&folder.path().join("witness"), std::slice::from_ref(&place)).unwrap();
    let mut told = async |ca: PathBuf| {
        let run = pull_test.run(&place.clone().with_ca(ca), "latest", "linux/amd64", "arch").await.unwrap();
        run.pulled.unwrap_err()
    };
    assert!(told(trusted).await.contains("manifest unknown"));
    assert!(told(strange).await.contains("certificate"));
    pull_test.remove().await.unwrap();
}
