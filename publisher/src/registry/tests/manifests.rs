//! Manifests: believed only by their digest.

use rstest::rstest;

use super::{
    super::{
        BLOB_IN_MEMORY_MAX, Cause, Deleted, MANIFEST_MAX, Name,
        testing::{Answer, Effect, Fault, Scripted, registry},
    },
    NAME, manifest,
};
use crate::{
    http::RequestError,
    oci::{DOCKER_LIST, Tag, digest_of},
};

/// A registry that holds [`manifest`] as `latest`.
async fn holding(faults: Vec<Fault>) -> Scripted {
    let server = Scripted::start(faults).await;
    server.store(|store| store.put_manifest(NAME, Some("latest"), &manifest()));
    server
}

#[tokio::test]
async fn a_manifest_is_read_with_its_media_type_and_exact_bytes() {
    let parameters = Effect::Header("content-type", format!("{DOCKER_LIST}; charset=utf-8"));
    let server = holding(vec![Fault::nth(1, "GET", "*", parameters)]).await;
    let (registry, _) = registry(&server, NAME);
    for name in [Name::Tag(&Tag::latest()), Name::Digest(&manifest().digest)] {
        assert_eq!(registry.manifest(name).await.unwrap(), Some(manifest()));
    }
    assert_eq!(registry.manifest(Name::Digest(&digest_of(b"x"))).await.unwrap(), None);
    assert!(server.seen()[0].header("accept").unwrap().contains("manifest.list.v2+json"));
}

#[tokio::test]
async fn bytes_that_are_not_what_the_digest_says_are_refused() {
    let server = holding(vec![Fault::nth(1, "GET", "*", Effect::DamageAnswer)]).await;
    let error = registry(&server, NAME).0.manifest(Name::Digest(&manifest().digest)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }), "{error:?}");
}

#[rstest]
#[case::nothing(0)]
#[case::half(20)]
#[tokio::test]
async fn a_truncated_answer_is_requested_again(#[case] after: usize) {
    let server = holding(vec![Fault::nth(1, "GET", "*", Effect::CutAnswer(after))]).await;
    let (registry, told) = registry(&server, NAME);
    assert_eq!(registry.manifest(Name::Tag(&Tag::latest())).await.unwrap(), Some(manifest()));
    assert_eq!(told.waits().len(), 1);
}

#[tokio::test]
async fn endless_answers_are_refused() {
    let long = |length| Effect::Answer(Answer::status(200).body(vec![b'x'; length]));
    let server = Scripted::start(vec![
        Fault::nth(1, "GET", "/v2/*/manifests/*", long(MANIFEST_MAX + 1)),
        Fault::nth(1, "GET", "/v2/*/blobs/*", long(BLOB_IN_MEMORY_MAX + 1)),
    ])
    .await;
    let (registry, _) = registry(&server, NAME);
    let error = registry.manifest(Name::Tag(&Tag::latest())).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Request(RequestError::TooLarge(MANIFEST_MAX))), "{error:?}");
    let error = registry.blob(&digest_of(b"x")).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Request(RequestError::TooLarge(BLOB_IN_MEMORY_MAX))), "{error:?}");
}

#[tokio::test]
async fn a_tag_is_resolved_by_head_or_by_reading_if_that_has_no_digest() {
    let silent = Effect::Answer(Answer::status(200));
    let server = holding(vec![Fault::nth(2, "HEAD", "*", silent)]).await;
    let (registry, _) = registry(&server, NAME);
    for _ in 0..2 {
        assert_eq!(registry.resolve(&Tag::latest()).await.unwrap(), Some(manifest().digest));
    }
    assert_eq!(registry.resolve(&"absent".parse().unwrap()).await.unwrap(), None);
    assert_eq!(server.story(), "HEAD HEAD GET HEAD");
}

#[tokio::test]
async fn a_put_says_its_media_type() {
    let server = Scripted::start(Vec::new()).await;
    registry(&server, NAME).0.put_manifest(Name::Tag(&Tag::latest()), &manifest()).await.unwrap();
    assert_eq!(server.seen()[0].header("content-type"), Some(DOCKER_LIST));
    assert!(server.store(|store| store.tag(NAME, "latest") == Some(manifest().digest.as_ref())));
}

#[tokio::test]
async fn a_registry_that_says_it_stored_something_else_is_not_believed() {
    let other = Effect::Header("docker-content-digest", digest_of(b"other").to_string());
    let server = Scripted::start(vec![Fault::nth(1, "PUT", "*", other)]).await;
    let error = registry(&server, NAME).0.put_manifest(Name::Tag(&Tag::latest()), &manifest()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }), "{error:?}");
}

/// As Docker Hub has answered for immutable tags.
#[rstest]
#[case::landed(manifest().bytes.to_vec(), true)]
#[case::another_is_there(b"{}".to_vec(), false)]
#[tokio::test]
async fn a_denial_although_the_content_landed_is_a_success(#[case] there: Vec<u8>, #[case] success: bool) {
    let server = Scripted::start(vec![
        Fault::nth(1, "PUT", "*", Effect::Answer(Answer::error(403, "DENIED"))),
        Fault::nth(1, "GET", "*", Effect::Answer(Answer::status(200).header("content-type", DOCKER_LIST).body(there))),
    ])
    .await;
    let (registry, _) = registry(&server, NAME);
    assert_eq!(registry.put_manifest(Name::Tag(&Tag::latest()), &manifest()).await.is_ok(), success);
}

#[rstest]
#[case(Answer::status(202), Deleted::Yes)]
#[case(Answer::status(204), Deleted::Yes)]
#[case(Answer::error(404, "MANIFEST_UNKNOWN"), Deleted::Absent)]
#[case(Answer::error(400, "UNSUPPORTED"), Deleted::Unsupported)]
#[case(Answer::error(405, "UNSUPPORTED"), Deleted::Unsupported)]
#[tokio::test]
async fn every_answer_to_a_deletion_has_its_outcome(#[case] answer: Answer, #[case] deleted: Deleted) {
    let server = Scripted::start(vec![Fault::nth(1, "DELETE", "*", Effect::Answer(answer))]).await;
    assert_eq!(registry(&server, NAME).0.delete_manifest(Name::Tag(&Tag::latest())).await.unwrap(), deleted);
}

#[tokio::test]
async fn a_deletion_takes_the_manifest_with_its_tags() {
    let server = holding(Vec::new()).await;
    let digest = manifest().digest;
    assert_eq!(registry(&server, NAME).0.delete_manifest(Name::Digest(&digest)).await.unwrap(), Deleted::Yes);
    assert!(server.store(|store| store.manifest(NAME, &digest).is_none() && store.tag(NAME, "latest").is_none()));
}

#[tokio::test]
async fn an_invalid_digest_is_not_quoted() {
    let said = Effect::Header("docker-content-digest", "canary-4711".into());
    let server = Scripted::start(vec![Fault::nth(1, "PUT", "*", said)]).await;
    let (registry, _) = registry(&server, NAME);
    let error = registry.put_manifest(Name::Tag(&Tag::latest()), &manifest()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }) && !format!("{error:?}").contains("canary"));
}
