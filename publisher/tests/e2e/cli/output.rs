//! What machines read: stdout, exit codes and GitHub's files.

use serde_json::Value;

use crate::support::World;

#[tokio::test]
async fn json_is_alone_on_stdout_for_success_and_failure() {
    let world = World::new().await;
    let ended = world.publish("refs/heads/main").args(&["--output", "json"]).run().await;
    ended.expect(0, &[]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&result["status"], &result["tag"]), (&"published".into(), &"latest".into()));
    let plan = world.program(&["plan", "--ref", "refs/heads/main", "--output", "json"]).run().await;
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!((&result["kind"], &plan["kind"]), (&"latest".into(), &"latest".into()));
    assert_eq!(result["digest"], world.ghcr.digest("latest").await.unwrap());

    world.podman.write("arm64.fails", "");
    let ended = world.publish("refs/heads/main").args(&["--output", "json"]).run().await;
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&result["status"], &result["exit_code"]), (&"failed".into(), &3.into()));
    assert!(result["error"]["left"].as_str().unwrap().contains("nothing was published"));
}

#[tokio::test]
async fn a_workflow_gets_outputs_summary_timings_and_groups() {
    let world = World::new().await;
    let [output, summary, timings] = ["output", "summary", "timings"].map(|name| world.podman.path(name));
    let run = world
        .publish("refs/heads/main")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("TALLYMAN_TIMINGS", &timings);
    run.run().await.expect(0, &["::group::", "::endgroup::"]);
    let digest = world.ghcr.digest("latest").await.unwrap();
    let output = std::fs::read_to_string(output).unwrap();
    for line in ["tag=latest".into(), format!("digest={digest}"), format!("digest-dockerhub={digest}")] {
        assert!(output.lines().any(|it| it == line), "no {line}:\n{output}");
    }
    let page = std::fs::read_to_string(&summary).unwrap();
    assert!(page.contains(&digest) && page.contains("podman pull") && page.contains("linux/arm64"), "{page}");
    let timings: Value = serde_json::from_slice(&std::fs::read(timings).unwrap()).unwrap();
    let phases: Vec<_> =
        timings["timings"].as_array().unwrap().iter().map(|it| it["phase"].as_str().unwrap()).collect();
    assert!(phases.ends_with(&["list", "commit", "read_back", "clean"]), "{phases:?}");

    world.podman.write("arm64.fails", "");
    run.run().await.expect(3, &["::error"]);
    let page = std::fs::read_to_string(summary).unwrap();
    assert!(page.contains("nothing was published"), "{page}");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_does_not_undo_a_publication() {
    let world = World::new().await;
    let nowhere = world.podman.path("nowhere/file");
    let run = world.publish("refs/heads/main").env("GITHUB_STEP_SUMMARY", &nowhere).env("TALLYMAN_TIMINGS", &nowhere);
    run.run().await.expect(0, &["failed to write the job summary", "failed to write /"]);
    assert!(world.ghcr.digest("latest").await.is_some());
}

#[tokio::test]
async fn a_command_line_that_is_not_understood_is_no_invalid_tag() {
    let world = World::new().await;
    world.program(&["publish", "--ref"]).run().await.expect(1, &["--ref"]);
    world.program(&["frobnicate"]).run().await.expect(1, &["frobnicate"]);
    assert_eq!(world.program(&["--help"]).run().await.code, Some(0));
}
