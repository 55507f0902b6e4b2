//! Blobs that another repository of the same registry holds.

use rstest::rstest;

use super::{
    super::testing::{Answer, Effect, Fault, Scripted, registry},
    NAME, blob, bytes, nobody,
};
use crate::event::BlobOutcome;

const SOURCE: &str = "acme/other";

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted() {
    let server = Scripted::start(Vec::new()).await.with_tokens();
    server.store(|store| store.put_blob(SOURCE, bytes()));
    let (registry, _) = registry(&server, NAME);
    assert_eq!(registry.push_blob(&blob(), Some(SOURCE), &nobody()).await.unwrap(), BlobOutcome::Mounted);
    // The token for reading does not do for mounting, which takes the right to read the source too.
    assert_eq!(server.story(), "HEAD TOKEN HEAD TOKEN POST");
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
}

#[tokio::test]
async fn what_cannot_be_mounted_is_sent_by_the_upload_that_the_registry_opened_instead() {
    let server = Scripted::start(Vec::new()).await;
    let (registry, _) = registry(&server, NAME);
    assert_eq!(registry.push_blob(&blob(), Some(SOURCE), &nobody()).await.unwrap(), BlobOutcome::Uploaded);
    assert_eq!(server.story(), "HEAD POST PATCH(300000) PUT");
}

#[rstest]
#[case(Answer::error(401, "UNAUTHORIZED").header("www-authenticate", "Basic realm=\"x\""))]
#[case(Answer::error(403, "DENIED"))]
#[case(Answer::error(404, "NAME_UNKNOWN"))]
#[case(Answer::error(405, "UNSUPPORTED"))]
#[tokio::test]
async fn a_mount_that_is_refused_is_no_reason_not_to_send(#[case] refusal: Answer) {
    let server = Scripted::start(vec![Fault::nth(1, "POST", "*", Effect::Answer(refusal))]).await;
    let (registry, told) = registry(&server, NAME);
    assert_eq!(registry.push_blob(&blob(), Some(SOURCE), &nobody()).await.unwrap(), BlobOutcome::Uploaded);
    assert_eq!(server.story(), "HEAD POST POST PATCH(300000) PUT");
    assert!(told.waits().is_empty());
}

#[tokio::test]
async fn a_mount_that_fails_for_the_moment_is_tried_again() {
    let server = Scripted::start(vec![Fault::nth(1, "POST", "*", Effect::LoseAnswer)]).await;
    server.store(|store| store.put_blob(SOURCE, bytes()));
    let (registry, _) = registry(&server, NAME);
    // It was done, but that is somebody else's word.
    assert_eq!(registry.push_blob(&blob(), Some(SOURCE), &nobody()).await.unwrap(), BlobOutcome::Present);
    assert_eq!(server.story(), "HEAD POST HEAD");
}
