//! A real build that is told to stop.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::image::{bases, publisher};
use crate::support::{Registry, Source};

/// How long podman may take to begin, or to end.
const EFFECT_MAX: Duration = Duration::from_secs(60);

/// How long the step goes on where nobody stops it: longer than is waited for its end, and yet not for ever.
const STEP_SECONDS: u32 = 150;

/// Whether any process that this user can see has this among its arguments.
fn is_running(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains(mark))
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_process_behind() {
    bases().await;
    let (mut source, registry) = (Source::new(""), Registry::start().await);
    // A number of this test's own, so that its processes are told from those of others.
    let mark = format!("86{}", std::process::id());
    source.write(
        "Containerfile",
        &format!("FROM localhost/tallyman/base:amd64\nRUN echo begun-{mark}; sleep {STEP_SECONDS}; false\n"),
    );
    source.commit();
    let publish = ["publish", "--ref", "refs/heads/main", "--platforms", "linux/amd64"];
    let mut child = publisher(&source, &registry, &publish).start();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = async {
        // The step itself is printed first, with the whole command.
        while let Some(line) = said.next_line().await.unwrap() {
            if line.contains(&format!("begun-{mark}")) && !line.contains("sleep") {
                return;
            }
        }
        panic!("the build ended before it was cancelled");
    };
    tokio::time::timeout(EFFECT_MAX, begun).await.expect("the build does not begin");
    // The step's shell has the whole command among its arguments.
    assert!(is_running(&mark), "what runs is not seen");

    let process = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &process]).status().unwrap().success());
    let rest = async {
        let mut rest = String::new();
        while let Some(line) = said.next_line().await.unwrap() {
            rest += &(line + "\n");
        }
        (rest, child.wait().await.unwrap())
    };
    let (rest, status) = tokio::time::timeout(EFFECT_MAX, rest).await.expect("the run does not end");
    assert_eq!(status.code(), Some(5), "{rest}");
    assert!(rest.contains("nothing was published"), "{rest}");
    let gone = async {
        while is_running(&mark) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(EFFECT_MAX, gone).await.expect("podman's processes go on");
    assert!(registry.manifest_puts().is_empty());
}
