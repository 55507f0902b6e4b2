//! How the program ends, against registries that want TLS and tokens.

use clap::Parser as _;
use rstest::rstest;

use super::{arguments::Cli, exit, run};
use crate::{
    look::tests::image::{DOCKER, push_good},
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
