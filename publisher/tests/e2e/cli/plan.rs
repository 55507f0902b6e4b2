//! `publisher plan`: what must not be published fails before anything is built.

use rstest::rstest;

use crate::support::{Program, World};

#[rstest]
#[case("refs/tags/v1.2", "v1.2")]
#[case("refs/tags/v1.2.3-rc.1", "v1.2.3-rc.1")]
#[case("refs/tags/v01.2.3", "v01.2.3")]
#[tokio::test]
async fn a_tag_that_is_no_version_is_refused_by_name(#[case] reference: &str, #[case] tag: &str) {
    let folder = tempfile::tempdir().unwrap();
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let run = Program::new(folder.path()).args(&["plan", "--ref", reference, "--sha", sha, "--image", "acme/hello"]);
    let ended = run.run().await;
    ended.expect(2, &[tag, "v<major>.<minor>.<patch>"]);
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn missing_secrets_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Containerfile"), "FROM scratch\n").unwrap();
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let plan = ["plan", "--ref", "refs/heads/main", "--sha", sha, "--image", "acme/hello"];
    let run = Program::new(folder.path()).args(&plan).env("HOME", folder.path());
    run.run().await.expect(1, &["GITHUB_TOKEN", "DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN", "nothing was built"]);
    let secrets = run.env("GITHUB_TOKEN", "a").env("DOCKERHUB_USERNAME", "b").env("DOCKERHUB_TOKEN", "c");
    secrets.run().await.expect(0, &[]);
}

#[tokio::test]
async fn git_is_asked_about_the_folder_whatever_the_environment_says() {
    let world = World::new().await;
    let mut plan = world.program(&["plan", "--ref", "refs/heads/main", "--output", "json"]);
    for (name, value) in [("GIT_DIR", "/nowhere"), ("GIT_EXEC_PATH", "/nowhere"), ("GIT_TRACE", "1")] {
        plan = plan.env(name, value);
    }
    let ended = plan.run().await;
    ended.expect(0, &[]);
    assert!(ended.stdout.contains(&world.source.head()) && !ended.stderr.contains("git does not know"), "{ended:?}");
}

#[tokio::test]
async fn the_following_jobs_get_what_they_need() {
    let world = World::new().await;
    let output = world.podman.path("output");
    let run = world.program(&["plan", "--ref", "refs/tags/v1.2.3"]).env("GITHUB_OUTPUT", &output);
    run.run().await.expect(0, &[]);
    let output = std::fs::read_to_string(output).unwrap();
    for line in ["tag=1.2.3", "kind=release", "release=true", "push=true"] {
        assert!(output.lines().any(|it| it == line), "no {line}:\n{output}");
    }
    assert!(output.contains(r#""runner":"ubuntu-26.04-arm""#), "{output}");
}

/// A fork's pull request has no secrets, and a token that may not write.
#[tokio::test]
async fn a_pull_request_needs_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Containerfile"), "FROM scratch\nHEALTHCHECK CMD true\n").unwrap();
    let output = folder.path().join("output");
    let run = Program::new(folder.path())
        .args(&["plan", "--image", "acme/hello"])
        .env("HOME", folder.path())
        .env("GITHUB_EVENT_NAME", "pull_request")
        .env("GITHUB_REF", "refs/pull/12/merge")
        .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
        .env("GITHUB_OUTPUT", &output);
    run.run().await.expect(0, &[]);
    let output = std::fs::read_to_string(output).unwrap();
    for line in ["tag=pull-12", "kind=pull-request", "push=false", r#"platforms=["linux/amd64","linux/arm64"]"#] {
        assert!(output.lines().any(|it| it == line), "no {line}:\n{output}");
    }
}

#[rstest]
#[case("FROM alpine:3\n", "", Some("unless alpine:3 has one"), "")]
#[case("FROM alpine:3\nHEALTHCHECK CMD true\n", "", None, "")]
#[case(
    "FROM alpine:3\n",
    "healthcheck = false\n",
    None,
    "fr_010::the_health_check_is_in_every_image fr_010::every_container_turns_healthy"
)]
#[tokio::test]
async fn an_image_without_a_health_check_is_noticed_unless_it_is_meant(
    #[case] containerfile: &str,
    #[case] config: &str,
    #[case] notice: Option<&str>,
    #[case] waive: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Containerfile"), containerfile).unwrap();
    std::fs::write(folder.path().join("publish.toml"), format!("image = 'acme/hello'\n{config}")).unwrap();
    let (output, sha) = (folder.path().join("output"), "0123456789abcdef0123456789abcdef01234567");
    let run = Program::new(folder.path())
        .args(&["plan", "--ref", "refs/heads/main", "--sha", sha, "--skip-push"])
        .env("HOME", folder.path())
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &output);
    let ended = run.run().await;
    ended.expect(0, &[]);
    let noticed = ended.stderr.lines().find(|line| line.starts_with("::notice"));
    assert_eq!(noticed.is_some(), notice.is_some(), "{}", ended.stderr);
    assert!(noticed.unwrap_or_default().contains(notice.unwrap_or_default()), "{noticed:?}");
    let output = std::fs::read_to_string(output).unwrap();
    assert!(output.lines().any(|line| line == format!("waive={waive}")), "{output}");
}
