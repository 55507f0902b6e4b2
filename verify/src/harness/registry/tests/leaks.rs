//! Tests: nothing stays of a registry, however its owner ends. The owner is this test program, run again.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use crate::harness::{
    registry::{Backend, Registry},
    sweep::Sweep,
};

/// Names the backend of the registry that [`hold`] holds.
const HELD: &str = "VERIFY_TEST_HOLDS";
/// How long something may take to go.
const GONE_MAX: Duration = Duration::from_secs(15);
/// What stands before the address that [`hold`] tells.
const HOLDS: &str = "holds ";

/// Whether somebody listens there.
async fn listens(host: &str) -> bool {
    TcpStream::connect(host).await.is_ok()
}

/// Waits until nobody listens there. A kernel may close the connections of a killed process before it closes the socket
/// that it listens on: so each connection is waited for in turn.
async fn gone(host: &str) {
    let ended = async {
        while let Ok(mut connection) = TcpStream::connect(host).await {
            // A reset says as well that the other end is gone.
            let _ = connection.read_to_end(&mut Vec::new()).await;
        }
    };
    timeout(GONE_MAX, ended).await.unwrap_or_else(|_| panic!("somebody still listens on {host}"));
}

/// Another process with a registry.
struct Holder {
    child: Child,
    host: String,
}

impl Holder {
    fn start(backend: &str) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::hold"), "--ignored", "--nocapture"])
            .env(HELD, backend)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let host = lines.into_iter().find_map(|line| Some(line.split_once(HOLDS)?.1.to_owned()));
        Self { child, host: host.expect("the holder ended before it held anything") }
    }

    /// Sends a signal and waits until it has ended of it.
    fn end(mut self, signal: Signal) -> String {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert!(!self.child.wait().unwrap().success());
        self.host
    }
}

#[tokio::test]
#[ignore = "is run by the other tests, in a process of its own"]
async fn hold() {
    let backend = match std::env::var(HELD).as_deref() {
        Ok("container") => Backend::Container,
        Ok("process") => Backend::Process,
        _ => return,
    };
    let registry = Registry::start(backend, None).await.unwrap();
    println!("{HOLDS}{}", registry.host());
    std::future::pending::<()>().await;
}

#[rstest::rstest]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn a_dropped_registry_is_gone(#[case] backend: Backend) {
    let registry = Registry::start(backend, None).await.unwrap();
    let host = registry.host().to_owned();
    assert!(listens(&host).await);
    drop(registry);
    gone(&host).await;
}

#[tokio::test]
async fn a_container_is_gone_after_a_panic() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let registry = Registry::start(Backend::Container, None).await.unwrap();
        tell.send(registry.host().to_owned()).unwrap();
        panic!("this is meant");
    });
    let host = told.await.unwrap();
    assert!(task.await.unwrap_err().is_panic());
    gone(&host).await;
}

#[test]
fn a_container_can_be_dropped_outside_of_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(Registry::start(Backend::Container, None)).unwrap();
    let host = registry.host().to_owned();
    assert!(runtime.block_on(listens(&host)));
    drop(registry);
    runtime.block_on(gone(&host));
}

#[rstest::rstest]
#[case::terminate(Signal::TERM)]
#[case::interrupt(Signal::INT)]
#[tokio::test]
async fn a_container_is_gone_after_a_signal(#[case] signal: Signal) {
    gone(&Holder::start("container").end(signal)).await;
}

#[tokio::test]
async fn a_child_process_is_gone_after_a_kill() {
    let holder = Holder::start("process");
    assert!(listens(&holder.host).await);
    gone(&holder.end(Signal::KILL)).await;
}

#[tokio::test]
async fn what_a_kill_leaves_is_swept_and_nothing_of_the_living() {
    let living = Registry::start(Backend::Container, None).await.unwrap();
    let other = Holder::start("container");
    let left = Holder::start("container");
    // Nobody else may sweep in between.
    let sweep = Sweep::begin().await.unwrap();
    let left = left.end(Signal::KILL);
    assert!(listens(&left).await, "nothing was left to sweep");
    sweep.leftovers().await.unwrap();
    gone(&left).await;
    assert!(listens(living.host()).await && listens(&other.host).await);
    other.end(Signal::TERM);
}
