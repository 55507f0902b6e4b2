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
