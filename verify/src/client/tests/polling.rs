//! A tag that is watched while it moves.

use std::time::Duration;

use super::{
    image::{AARCH64, DOCKER, X86_64, image, push_good, push_list},
    registry::Registry,
};
use crate::{
    client::{ClientError, Poller, SILENCE_MAX, Sample},
    history::Recorder,
};

/// Long enough for a poller to notice that something moved.
const NOTICED: Duration = Duration::from_millis(150);

fn told(samples: &[Sample]) -> Vec<(Option<&str>, bool, usize)> {
    samples.iter().map(|it| (it.digest.as_deref(), it.whole, it.platforms.len())).collect()
}

#[tokio::test]
async fn every_move_is_one_sample() {
    let registry = Registry::start();
    let recorder = Recorder::default();
    let poller = Poller::start([registry.client()], "latest", &recorder);
    tokio::time::sleep(NOTICED).await;
    let first = push_good(&registry, "latest", DOCKER).await;
    tokio::time::sleep(NOTICED).await;
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let partial = push_list(&registry, "latest", DOCKER, &[amd64]).await;
    tokio::time::sleep(NOTICED).await;
    registry.delete(&format!("manifests/{partial}")).await;
    let samples = poller.stop().await.unwrap();
    assert_eq!(
        told(&samples),
        [(None, false, 0), (Some(&*first), true, 2), (Some(&*partial), true, 1), (None, false, 0)]
    );
    for pair in samples.windows(2) {
        assert!(pair[0].at_ms <= pair[0].until_ms && pair[0].until_ms <= pair[1].at_ms, "{samples:?}");
    }
    assert!(samples[0].times > 1 && samples[0].server == "ghcr");
}

#[tokio::test]
async fn an_image_with_a_part_missing_is_not_whole() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let arm64 = image("arm64", AARCH64).push(&registry).await;
    let digest = arm64["digest"].as_str().unwrap().to_owned();
    push_list(&registry, "latest", DOCKER, &[amd64, arm64]).await;
    registry.delete(&format!("manifests/{digest}")).await;
    let poller = Poller::start([registry.client()], "latest", &Recorder::default());
    let samples = poller.stop().await.unwrap();
    assert!(!samples[0].whole);
    assert!(samples[0].flaws[0].starts_with(&format!("manifest {digest}: 404")), "{samples:?}");
}

#[tokio::test]
async fn an_image_that_is_damaged_later_is_seen() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let arm64 = image("arm64", AARCH64).push(&registry).await;
    let digest = arm64["digest"].as_str().unwrap().to_owned();
    push_list(&registry, "latest", DOCKER, &[amd64, arm64]).await;
    let poller = Poller::start([registry.client()], "latest", &Recorder::default());
    tokio::time::sleep(NOTICED).await;
    registry.delete(&format!("manifests/{digest}")).await;
    tokio::time::sleep(NOTICED * 3).await;
    let samples = poller.stop().await.unwrap();
    assert_eq!(samples.iter().map(|it| it.whole).collect::<Vec<_>>(), [true, false], "{samples:?}");
}

#[tokio::test]
async fn each_registry_is_watched() {
    let registries = [Registry::start(), Registry::start()];
    push_good(&registries[1], "latest", DOCKER).await;
    let poller = Poller::start(registries.iter().map(Registry::client), "latest", &Recorder::default());
    let samples = poller.stop().await.unwrap();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples.iter().filter(|it| it.whole).count(), 1);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_an_error() {
    let registry = Registry::start();
    let client = registry.client();
    let poller = Poller::start([client], "latest", &Recorder::default());
    drop(registry);
    tokio::time::sleep(SILENCE_MAX + NOTICED).await;
    let error = poller.stop().await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_ends_the_poller() {
    let registry = Registry::start_with_login();
    let error = Poller::start([registry.client()], "latest", &Recorder::default()).stop().await.unwrap_err();
    assert!(matches!(error, ClientError::Status { status: 401, .. }), "{error}");
}
