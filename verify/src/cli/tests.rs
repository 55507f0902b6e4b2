//! How the program ends, against registries that want TLS and tokens.

use clap::Parser as _;
use rstest::rstest;

use super::{arguments::Cli, exit, run};
use crate::{
    client::tests::image::{DOCKER, push_good},
    target::tests::published::{Published, Side},
};

/// The exit code of a command line.
async fn code(line: &[&str]) -> u8 {
    run(Cli::try_parse_from(line).unwrap()).await
}

#[rstest]
#[tokio::test]
async fn a_good_image_ends_with_0_and_a_broken_one_with_1(
    #[values("text", "json", "junit", "markdown", "html")] output: &str,
) {
    let published = Published::start(true).await;
    let mut digest = String::new();
    for side in published.sides() {
        digest = push_good(&side.registry, "latest", DOCKER).await;
    }
    let [ghcr, dockerhub] = published.sides().map(Side::repository);
    let ca = published.ca();
    let line = [
        "verify",
        "live",
        "--image",
        &ghcr,
        "--image",
        &dockerhub,
        "--tag",
        "latest",
        "--expect-digest",
        &digest,
        "--wait",
        "0s",
        "--ca-file",
        ca.to_str().unwrap(),
        "--output",
        output,
    ];
    assert_eq!(code(&line).await, exit::VERIFIED);
    published.dockerhub.registry.delete(&format!("manifests/{digest}")).await;
    assert_eq!(code(&line).await, exit::FAILED);
}

/// Both registries hold the same image, and not the one that is expected.
#[rstest]
#[case(&[], exit::FAILED)]
#[case(&["--waive", "sc_002::a_tag_has_the_same_digest_on_all_registries=an old one"], exit::VERIFIED)]
#[case(&["--waive", "SC-002=an old one"], exit::VERIFIED)]
#[case(&["--waive", "sc_00=an old one"], exit::USAGE)]
#[case(&["--waive", "fr_010=it has a health check"], exit::FAILED)]
#[tokio::test]
async fn what_is_waived_does_not_fail(#[case] waive: &[&str], #[case] expected: u8) {
    let published = Published::start(true).await;
    for side in published.sides() {
        push_good(&side.registry, "latest", DOCKER).await;
    }
    let [ghcr, dockerhub] = published.sides().map(Side::repository);
    let (ca, other) = (published.ca(), format!("sha256:{}", "0".repeat(64)));
    let line = ["verify", "live", "--image", &ghcr, "--image", &dockerhub, "--ca-file", ca.to_str().unwrap()];
    let line = [&line[..], &["--expect-digest", &other, "--wait", "0s"], waive].concat();
    assert_eq!(code(&line).await, expected);
}

#[rstest]
#[case::nobody_there(&["127.0.0.1:9/acme/hello:latest"], exit::UNKNOWN)]
#[case::no_tag(&["ghcr.io/acme/hello"], exit::USAGE)]
#[case::no_registry(&["acme/hello:latest"], exit::USAGE)]
#[case::tag_in_the_repository(&["--image", "ghcr.io/acme/hello:1"], exit::USAGE)]
#[case::no_digest(&["ghcr.io/acme/hello:1", "--expect-digest", "sha256:1"], exit::USAGE)]
#[case::no_such_check(&["ghcr.io/acme/hello:1", "--only", "fr_999"], exit::USAGE)]
#[case::no_ca(&["127.0.0.1:9/acme/hello:latest", "--ca-file", "/nowhere"], exit::UNKNOWN)]
#[tokio::test]
async fn what_cannot_be_looked_at_ends_otherwise(#[case] arguments: &[&str], #[case] expected: u8) {
    assert_eq!(code(&[&["verify", "live"], arguments].concat()).await, expected);
}
