//! Blobs: looked up, and sent if they are not there.

use std::sync::{Arc, Mutex, atomic::Ordering::Relaxed};

use rstest::rstest;

use super::{
    super::{
        Blob, BlobSource, Cause, Progress,
        testing::{Answer, Effect, Fault, Scripted, registry},
    },
    NAME, SIZE, blob, bytes, no_progress, push,
};
use crate::{event::BlobOutcome, exit::Failure, oci::digest_of};

#[tokio::test]
async fn a_blob_that_is_there_is_not_uploaded() {
    let server = Scripted::start(Vec::new()).await;
    server.store(|store| store.put_blob(NAME, bytes()));
    let (registry, _) = registry(&server, NAME);
    assert_eq!(push(&registry).await.unwrap(), BlobOutcome::Present);
    assert_eq!((server.story().as_str(), registry.traffic.bytes_sent.load(Relaxed)), ("HEAD", 0));
}

#[rstest]
#[case::relative(false)]
#[case::absolute(true)]
#[tokio::test]
async fn an_upload_follows_each_location(#[case] absolute: bool) {
    let server = Scripted::start(Vec::new()).await;
    let server = if absolute { server.absolute() } else { server };
    let (registry, _) = registry(&server, NAME);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let progress: Progress = Arc::new(move |sent| log.lock().unwrap().push(sent));
    assert_eq!(registry.push_blob(&blob(), None, &progress).await.unwrap(), BlobOutcome::Uploaded);
    assert_eq!(server.story(), "HEAD POST PATCH(300000) PUT");
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
    // One part of unstated range, which every registry takes.
    assert_eq!(server.seen()[2].header("content-range"), None);
    assert_eq!(registry.traffic.bytes_sent.load(Relaxed), SIZE as u64);
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.last() == Some(&(SIZE as u64)), "{seen:?}");
}

#[rstest]
#[case::nothing(b"")]
#[case::one_byte(b"1")]
#[case::configuration(b"{}")]
#[tokio::test]
async fn small_blobs_come_from_memory(#[case] bytes: &'static [u8]) {
    let server = Scripted::start(Vec::new()).await;
    let blob = Blob { digest: digest_of(bytes), size: bytes.len() as u64, source: BlobSource::Memory(bytes.into()) };
    assert_eq!(registry(&server, NAME).0.push_blob(&blob, None, &no_progress()).await.unwrap(), BlobOutcome::Uploaded);
    assert!(server.store(|store| store.blob(NAME, &blob.digest) == Some(bytes)));
}

#[tokio::test]
async fn damaged_bytes_are_uploaded_again_from_the_start() {
    let server = Scripted::start(vec![Fault::nth(1, "PATCH", "*", Effect::DamageBody)]).await;
    assert_eq!(push(&registry(&server, NAME).0).await.unwrap(), BlobOutcome::Uploaded);
    assert_eq!(server.story(), "HEAD POST PATCH(300000) PUT HEAD POST PATCH(300000) PUT");
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
}

#[tokio::test]
async fn a_registry_that_says_it_stored_something_else_is_not_believed() {
    let other = Effect::Header("docker-content-digest", digest_of(b"other").to_string());
    let server = Scripted::start(vec![Fault::nth(1, "PUT", "*", other)]).await;
    let error = push(&registry(&server, NAME).0).await.unwrap_err();
    assert!(matches!(error.cause, Cause::DigestMismatch { .. }), "{error:?}");
}

#[rstest]
#[case(200)]
#[case(201)]
#[case(204)]
#[tokio::test]
async fn any_success_status_accepts_a_patch(#[case] status: u16) {
    let location = "/v2/acme/hello/blobs/uploads/elsewhere";
    let taken = Effect::Answer(Answer::status(status).header("location", location));
    let closed = Effect::Answer(Answer::status(201));
    let server =
        Scripted::start(vec![Fault::nth(1, "PATCH", "*", taken), Fault::nth(1, "PUT", location, closed)]).await;
    assert_eq!(push(&registry(&server, NAME).0).await.unwrap(), BlobOutcome::Uploaded);
}

#[rstest]
#[case::none(None, "names no location")]
#[case::nonsense(Some("http://[bad"), "names a location that is no URL")]
#[tokio::test]
async fn an_answer_without_a_location_is_refused(
    #[case] location: Option<&str>,
    #[case] why: &str,
    #[values(("POST", 202), ("PATCH", 202))] (method, status): (&'static str, u16),
) {
    let answer = Answer::status(status);
    let answer = location.into_iter().fold(answer, |answer, location| answer.header("location", location));
    let server = Scripted::start(vec![Fault::nth(1, method, "*", Effect::Answer(answer))]).await;
    let error = push(&registry(&server, NAME).0).await.unwrap_err();
    assert_eq!(error.attempts, 1);
    assert!(error.cause.to_string().contains(why), "{error:?}");
}

#[tokio::test]
async fn check_push_opens_an_upload_and_cancels_it() {
    let server = Scripted::start(vec![]).await.with_tokens();
    let (registry, _) = registry(&server, NAME);
    registry.check_push().await.unwrap();
    assert_eq!(server.story(), "POST TOKEN POST TOKEN DELETE");
    assert!(server.store(|store| store.is_without_uploads()));
}

/// Distribution and Docker Hub say it so: a token is given, but it allows too little.
#[tokio::test]
async fn an_insufficient_scope_is_reported_as_a_missing_permission() {
    let challenge =
        r#"Bearer realm="http://{host}/token",scope="repository:acme/hello:pull,push",error="insufficient_scope""#;
    let refusal = Answer::error(401, "UNAUTHORIZED").header("www-authenticate", challenge);
    let server = Scripted::start(vec![Fault::always("POST", "*", Effect::Answer(refusal))]).await.with_tokens();
    let (registry, _) = registry(&server, NAME);
    let failure = Failure::from(registry.check_push().await.unwrap_err());
    assert_eq!(server.story(), "POST TOKEN POST");
    assert!(failure.hint.unwrap().contains("lacks permission to push here"));
}

#[tokio::test]
async fn an_upload_that_cannot_be_cancelled_does_not_matter() {
    for effect in [Effect::Answer(Answer::status(405)), Effect::Break { after: 0, kept: false }] {
        let server = Scripted::start(vec![Fault::always("DELETE", "*", effect)]).await;
        let (registry, _) = registry(&server, NAME);
        registry.check_push().await.unwrap();
        assert_eq!(server.story(), "POST DELETE");
    }
}
