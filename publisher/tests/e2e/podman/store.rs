//! How layers leave the store of the real podman.

use std::path::PathBuf;

use super::image::{bases, publisher};
use crate::support::{Registry, Source};

/// Publishes what this Containerfile makes, and tells how often `podman save` was called.
async fn saves(containerfile: &str) -> usize {
    bases().await;
    let (source, registry) = (Source::new(containerfile), Registry::start().await);
    let tests = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let calls = tempfile::NamedTempFile::new().unwrap();
    let run = publisher(&source, &registry, &["publish", "--ref", "refs/heads/main", "--platforms", "linux/amd64"])
        .env("TALLYMAN_PODMAN", tests.join("tests/e2e/support/recording-podman").to_str().unwrap())
        .env("TEST_PODMAN_CALLS", calls.path().to_str().unwrap());
    run.run().await.expect(0, &[]);
    let calls = std::fs::read_to_string(calls.path()).unwrap();
    assert!(calls.lines().any(|call| call == "build"), "{calls}");
    calls.lines().filter(|call| *call == "save").count()
}

#[tokio::test]
async fn layers_are_read_without_podman() {
    assert_eq!(
        saves("FROM localhost/tallyman/base:amd64\nRUN mkdir /new && echo 1 >/new/file && rm /bin/arch\n").await,
        0
    );
}

#[tokio::test]
async fn a_layer_with_another_users_secrets_is_read_by_podman() {
    let containerfile =
        "FROM localhost/tallyman/base:amd64\nRUN echo 1 >/file && chmod 600 /file && chown 1000 /file\n";
    assert_eq!(saves(containerfile).await, 1);
}
