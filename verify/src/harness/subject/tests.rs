//! Tests: what is recorded of a pipeline, and what of it is ended.

use super::*;

/// Calls a subject that is this shell script, in a folder of its own.
async fn call(script: &str) -> StageRun {
    let folder = tempfile::tempdir().unwrap();
    let subject = Subject { name: "test".into(), program: "/bin/sh".into() };
    // The stage's name is the script that the shell runs.
    fs::write(folder.path().join("prepare"), script).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let watched = outside.path().join("bin");
    watch::install(&watched).unwrap();
    let mut secrets = Secrets::default();
    secrets.add("DOCKERHUB_TOKEN", "very-secret-value");
    let call = StageCall {
        stage: Stage::Prepare,
        platform: None,
        checkout: folder.path(),
        folder: &outside.path().join("call"),
        temporary: &outside.path().join("tmp"),
        handover: &outside.path().join("digests"),
        watched: &watched,
        environment: &BTreeMap::from([("DOCKERHUB_TOKEN".to_owned(), "very-secret-value".to_owned())]),
        secrets: &secrets,
        recorder: &Recorder::default(),
        running: &Running::default(),
    };
    subject.call(&call).await.unwrap()
}

#[tokio::test]
async fn what_a_stage_did_is_recorded() {
    let run = call(
        "echo said; echo warned >&2; echo tag=1.2.3 >>$GITHUB_OUTPUT; printf 'b<<E\\nx\\ny\\nE\\n' >>$GITHUB_OUTPUT
         echo '# done' >$GITHUB_STEP_SUMMARY; echo sha256:1 >$VERIFY_DIGESTS/amd64-ghcr; exit 7",
    )
    .await;
    assert_eq!((run.end, &*run.stdout, &*run.stderr), (Exit::Code(7), "said\n", "warned\n"));
    assert_eq!(run.outputs["tag"], "1.2.3");
    assert_eq!(run.outputs["b"], "x\ny");
    assert_eq!(run.summary, "# done\n");
    assert_eq!(run.handover["amd64-ghcr"], "sha256:1\n");
    assert_eq!((run.leaks, run.left_behind), (vec![], vec![]));
}

#[tokio::test]
async fn secrets_are_noted_where_they_stand_and_kept_nowhere() {
    let run = call(
        "echo $DOCKERHUB_TOKEN; echo $DOCKERHUB_TOKEN >$GITHUB_STEP_SUMMARY; echo $DOCKERHUB_TOKEN >$VERIFY_DIGESTS/x
         curl --version -u acme:$DOCKERHUB_TOKEN >/dev/null; echo x=$DOCKERHUB_TOKEN >>$GITHUB_OUTPUT
         mkdir -p deep/er; echo $DOCKERHUB_TOKEN >deep/er/login",
    )
    .await;
    assert_eq!(
        run.leaks,
        [
            "arguments of curl: DOCKERHUB_TOKEN",
            "file login left behind: DOCKERHUB_TOKEN",
            "hand-over file x: DOCKERHUB_TOKEN",
            "outputs: DOCKERHUB_TOKEN",
            "stdout: DOCKERHUB_TOKEN",
            "summary: DOCKERHUB_TOKEN"
        ]
    );
    assert!(!serde_json::to_string(&run).unwrap().contains("very-secret-value"));
}

#[tokio::test]
async fn what_it_leaves_running_is_told_and_ended() {
    let run = call("sleep 100 >/dev/null 2>&1 & exit 0").await;
    assert_eq!(run.left_behind, ["sleep 100"]);
    assert_eq!(run.end, Exit::Code(0));
}

/// podman's pause process holds a user's namespace for all his containers and builds, also those of others.
#[tokio::test]
async fn the_one_process_of_podman_that_stays_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let stays = r"printf podman\ pause >/proc/$$/comm; read _ <$0";
    let run = call(&format!("mkfifo {0}; sh -c '{stays}' {0} >/dev/null 2>&1 & exit 0", fifo.display())).await;
    assert_eq!(run.left_behind, [""; 0]);
    // Whoever opens it waits for the other end: it is there.
    tokio::fs::write(&fifo, "\n").await.unwrap();
}

#[tokio::test]
async fn work_is_told_from_waiting() {
    let run = call("sh -c 'i=0; while [ $i -lt 500000 ]; do i=$((i + 1)); done'; sleep 0.3").await;
    let took_ms = run.ended_ms - run.began_ms;
    assert!(run.worked_ms >= 50 && run.worked_ms + 250 <= took_ms, "{} of {took_ms}", run.worked_ms);
    assert_eq!(run.end, Exit::Code(0));
}

#[tokio::test]
async fn a_signal_is_told_apart_from_a_code() {
    assert_eq!(call("kill -9 $$").await.end, Exit::Signal(9));
}

#[tokio::test]
#[ignore = "is run by the next one, in a process that ignores interrupts"]
async fn an_interrupt_ends_it() {
    assert_eq!(call("kill -INT $$").await.end, Exit::Signal(2));
}

#[test]
fn an_interrupt_ends_it_whoever_ignores_interrupts() {
    let (_, module) = module_path!().split_once("::").unwrap();
    let ignoring = std::process::Command::new("sh")
        .args(["-c", "trap '' INT; exec \"$0\" --exact \"$1\" --ignored"])
        .arg(std::env::current_exe().unwrap())
        .arg(format!("{module}::an_interrupt_ends_it"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ignoring.stdout);
    assert!(ignoring.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn only_executables_can_be_subjects() {
    assert!(Subject::new(Path::new("/bin/sh")).is_ok());
    assert!(Subject::new(Path::new("/etc/passwd")).unwrap_err().to_string().contains("not an executable"));
    assert!(Subject::new(Path::new("/no/such")).unwrap_err().to_string().contains("/no/such"));
}
