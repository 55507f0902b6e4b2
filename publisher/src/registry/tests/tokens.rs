//! Tokens: fetched when asked for, renewed in the middle of a push, at no attempt's cost.

use rstest::rstest;

use super::{
    super::{
        Deleted, Hosts, Name,
        testing::{Answer, Effect, Fault, Scripted, client, registry},
    },
    NAME, blob, bytes, manifest, push,
};
use crate::{auth::Credential, oci::Tag};

/// Every request of a push, and the last one of all.
#[rstest]
#[case("HEAD", "/v2/acme/hello/blobs/*")]
#[case("POST", "/v2/acme/hello/blobs/uploads/")]
#[case("PATCH", "/v2/acme/hello/blobs/uploads/*")]
#[case("PUT", "/v2/acme/hello/blobs/uploads/*")]
#[case("PUT", "/v2/acme/hello/manifests/*")]
#[tokio::test]
async fn a_token_that_expires_during_a_push_is_renewed(#[case] method: &'static str, #[case] path: &'static str) {
    let server = Scripted::start(vec![Fault::nth(1, method, path, Effect::ExpireTokens)]).await.with_tokens();
    let (registry, told) = registry(&server, NAME);
    let (manifest, latest) = (manifest(), Tag::latest());
    assert_eq!(registry.resolve(&latest).await.unwrap(), None);
    push(&registry).await.unwrap();
    registry.put_manifest(Name::Tag(&latest), &manifest).await.unwrap();
    assert_eq!(registry.resolve(&latest).await.unwrap(), Some(manifest.digest));
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
    assert!(told.waits().is_empty(), "it cost an attempt: {}", server.story());
}

#[tokio::test]
async fn one_token_serves_reading_and_writing_and_another_one_deleting() {
    let server = Scripted::start(Vec::new()).await.with_tokens();
    let (registry, _) = registry(&server, NAME);
    let manifest = manifest();
    let name = Name::Digest(&manifest.digest);
    registry.put_manifest(name, &manifest).await.unwrap();
    assert_eq!(registry.manifest(name).await.unwrap(), Some(manifest.clone()));
    assert_eq!(registry.delete_manifest(name).await.unwrap(), Deleted::Yes);
    let size = manifest.bytes.len();
    assert_eq!(server.story(), format!("PUT({size}) TOKEN PUT({size}) GET TOKEN DELETE"));
}

#[tokio::test]
async fn a_broken_upload_is_resumed_with_a_token_that_is_good() {
    let server = Scripted::start(vec![
        Fault::nth(2, "PATCH", "*", Effect::Break { after: 100_000, kept: true }),
        Fault::nth(1, "GET", "/v2/*/uploads/*", Effect::ExpireTokens),
        Fault::nth(1, "PATCH", "*", Effect::ExpireTokens),
    ])
    .await
    .with_tokens();
    let (registry, told) = registry(&server, NAME);
    push(&registry).await.unwrap();
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
    assert_eq!(told.waits().len(), 1, "{}", server.story());
}

#[tokio::test]
async fn a_token_server_that_fails_transiently_is_retried() {
    let down = Effect::Answer(Answer::status(503));
    let server = Scripted::start(vec![Fault::nth(1, "GET", "/token", down)]).await.with_tokens();
    let (registry, told) = registry(&server, NAME);
    assert_eq!(registry.resolve(&Tag::latest()).await.unwrap(), None);
    assert_eq!((server.story().as_str(), told.waits().len()), ("HEAD TOKEN TOKEN HEAD", 1));
}

#[tokio::test]
async fn a_token_server_that_is_down_fails_after_three_attempts() {
    let down = Effect::Answer(Answer::status(503));
    let server = Scripted::start(vec![Fault::always("GET", "/token", down)]).await.with_tokens();
    let error = registry(&server, NAME).0.resolve(&Tag::latest()).await.unwrap_err();
    assert_eq!((error.attempts, server.story().as_str()), (3, "HEAD TOKEN TOKEN TOKEN"));
}

#[tokio::test]
async fn a_token_server_that_denies_us_is_not_asked_again_and_the_password_stays_secret() {
    let denied = Effect::Answer(Answer::status(401).body("who is canary-4711?"));
    let server = Scripted::start(vec![Fault::nth(1, "GET", "/token", denied)]).await.with_tokens();
    let repository = format!("{}/{NAME}", server.host());
    let (registry, _) = client(&repository, Credential::basic("user", "canary-4711"), &Hosts::default());
    let error = registry.resolve(&Tag::latest()).await.unwrap_err();
    assert_eq!((error.attempts, server.story().as_str()), (1, "HEAD TOKEN"));
    assert!(!format!("{error:?}").contains("canary"));
}
