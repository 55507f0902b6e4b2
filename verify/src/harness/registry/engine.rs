//! The container engine: the one at `DOCKER_HOST`, one at the usual socket, or podman's interface, which is started here.
//!
//! testcontainers finds an engine by the environment alone, and a process cannot safely change its own environment. So podman
//! listens where testcontainers looks last. All processes of a user share it: each keeps a request open while it lives, and
//! podman ends soon after the last of these requests.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read as _, Seek as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use testcontainers::{
    bollard::{Docker, models::ContainerSummary, query_parameters::ListContainersOptionsBuilder},
    core::client::docker_client_instance,
};
use tokio::{sync::OnceCell, time::sleep};

use super::listing::{self, ContainerEntry};
use crate::harness::{error::HarnessError, lock};

/// The variable that names an engine's socket.
const VARIABLE: &str = "DOCKER_HOST";
/// The usual socket of an engine.
const USUAL_SOCKET: &str = "/var/run/docker.sock";
/// Where testcontainers looks then, below `XDG_RUNTIME_DIR`.
const OWN_SOCKET: &str = ".docker/run/docker.sock";
/// How long podman stays after the last request, in seconds.
const IDLE_S: &str = "5";
/// How long podman may take to listen.
const START_MAX: Duration = Duration::from_secs(20);
/// The time between two attempts to connect.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);
/// A request for events that never happen: it stays open.
const LEASE: &str =
    "GET /v1.41/events?filters=%7B%22label%22%3A%5B%22tallyman.none%22%5D%7D HTTP/1.1\r\nHost: podman\r\n\r\n";

/// podman, if it was started here.
static OURS: OnceCell<Option<Lease>> = OnceCell::const_new();

/// A client of the engine.
pub(in crate::harness) async fn connect() -> Result<Docker, HarnessError> {
    OURS.get_or_try_init(provide).await?;
    docker_client_instance().await.map_err(HarnessError::engine("be connected to"))
}

/// Whether this user runs the engine. An engine that was not started here is asked, which takes podman a third of a second.
pub(super) async fn is_this_users(docker: &Docker) -> Result<bool, HarnessError> {
    if OURS.get().is_some_and(Option::is_some) {
        return Ok(true);
    }
    let info = docker.info().await.map_err(HarnessError::engine("tell about itself"))?;
    Ok(info.security_options.unwrap_or_default().iter().any(|option| option.contains("rootless")))
}

/// The containers with all these labels, running or not; none where there is no engine.
pub(in crate::harness) async fn containers(
    docker: &Docker,
    labels: &[&str],
) -> Result<Vec<ContainerEntry>, HarnessError> {
    if let Some(socket) = socket() {
        return listing::containers(&socket, labels);
    }
    let filters = HashMap::from([("label", labels.to_vec())]);
    let list = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(list)).await.map_err(HarnessError::engine("list containers"))?;
    let container = |it: ContainerSummary| Some(ContainerEntry { id: it.id?, labels: it.labels.unwrap_or_default() });
    Ok(found.into_iter().filter_map(container).collect())
}

/// Where the engine listens, if that is a socket of this machine.
fn socket() -> Option<PathBuf> {
    match std::env::var(VARIABLE) {
        Ok(host) if !host.is_empty() => host.strip_prefix("unix://").map(PathBuf::from),
        _ if Path::new(USUAL_SOCKET).exists() => Some(USUAL_SOCKET.into()),
        _ => Some(PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?).join(OWN_SOCKET)),
    }
}

/// An open request that keeps podman's interface alive.
struct Lease {
    /// While it is open, podman stays.
    _request: UnixStream,
    /// Set in the process that started podman.
    _podman: Option<Child>,
}

async fn provide() -> Result<Option<Lease>, HarnessError> {
    if std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty()) || Path::new(USUAL_SOCKET).exists() {
        return Ok(None);
    }
    let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) else {
        return Err(HarnessError::NoEngine);
    };
    let socket = runtime.join(OWN_SOCKET);
    let _lock = lock::exclusive("podman").await?;
    if let Some(request) = lease(&socket) {
        return Ok(Some(Lease { _request: request, _podman: None }));
    }
    start(&socket).await.map(Some)
}

/// Opens a request, if an engine answers.
fn lease(socket: &Path) -> Option<UnixStream> {
    let mut request = UnixStream::connect(socket).ok()?;
    request.set_read_timeout(Some(START_MAX)).ok()?;
    request.write_all(LEASE.as_bytes()).ok()?;
    let mut answer = [0; b"HTTP/1.1 200".len()];
    request.read_exact(&mut answer).ok()?;
    (&answer == b"HTTP/1.1 200").then_some(request)
}

async fn start(socket: &Path) -> Result<Lease, HarnessError> {
    let folder = socket.parent().unwrap_or(socket);
    fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(HarnessError::at("close", folder))?;
    // What a killed podman left.
    let _ = fs::remove_file(socket);
    let mut said = tempfile::tempfile().map_err(HarnessError::io("cannot make a temporary file"))?;
    let mut podman = Command::new("podman")
        .args(["system", "service", "--time", IDLE_S])
        .arg(format!("unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone().map_err(HarnessError::io("cannot keep podman's messages"))?)
        // On an interrupt from the terminal, containers are removed through podman.
        .process_group(0)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => HarnessError::NoEngine,
            _ => HarnessError::io("cannot run podman")(error),
        })?;
    let begin = Instant::now();
    loop {
        if let Some(request) = lease(socket) {
            return Ok(Lease { _request: request, _podman: Some(podman) });
        }
        let ended = podman.try_wait().map_err(HarnessError::io("cannot wait for podman"))?.is_some();
        if ended || begin.elapsed() > START_MAX {
            let _ = podman.kill();
            let _ = podman.wait();
            return Err(HarnessError::engine("be started")(text(&mut said)));
        }
        sleep(BETWEEN_ATTEMPTS).await;
    }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    if read.is_err() || text.trim().is_empty() { "podman said nothing".to_owned() } else { text.trim().to_owned() }
}
