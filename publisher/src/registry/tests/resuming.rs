//! Uploads that broke: gone on with where the registry tells how far it came, begun anew where it does not.

use std::sync::atomic::Ordering::Relaxed;

use rstest::rstest;

use super::{
    super::testing::{Answer, Effect, Fault, Scripted, registry},
    NAME, SIZE, blob, bytes, push,
};
use crate::event::BlobOutcome;

const UPLOAD: &str = "/v2/acme/hello/blobs/uploads/u*";

fn broken(after: usize) -> Effect {
    Effect::Break { after, kept: true }
}

/// Pushes, and looks whether the right bytes are there; the requests, and the attempts beyond the first.
async fn pushed(faults: Vec<Fault>) -> (Scripted, u64) {
    let server = Scripted::start(faults).await;
    let (registry, _) = registry(&server, NAME);
    assert_eq!(push(&registry).await.unwrap(), BlobOutcome::Uploaded);
    assert!(server.store(|store| store.blob(NAME, &blob().digest) == Some(bytes())));
    let retries = registry.traffic.retries.load(Relaxed);
    (server, retries)
}

#[tokio::test]
async fn a_broken_upload_resumes_at_the_registrys_offset() {
    let (server, retries) = pushed(vec![Fault::nth(1, "PATCH", UPLOAD, broken(100_000))]).await;
    assert_eq!(server.story(), "HEAD POST PATCH(100000) GET PATCH(200000) PUT");
    assert_eq!(server.seen()[4].header("content-range"), Some("100000-299999"));
    assert_eq!(retries, 1);
}

#[tokio::test]
async fn an_upload_is_resumed_in_every_attempt() {
    let (server, retries) =
        pushed(vec![Fault::nth(1, "PATCH", UPLOAD, broken(100_000)), Fault::nth(2, "PATCH", UPLOAD, broken(50_000))])
            .await;
    assert_eq!(server.story(), "HEAD POST PATCH(100000) GET PATCH(50000) GET PATCH(150000) PUT");
    assert_eq!((server.seen()[6].header("content-range"), retries), (Some("150000-299999"), 2));
}

#[rstest]
#[case::all(Effect::LoseAnswer)]
#[case::all_but_unanswered(Effect::Break { after: SIZE, kept: true })]
#[tokio::test]
async fn nothing_is_sent_again_when_only_the_answer_was_lost(#[case] effect: Effect) {
    let (server, _) = pushed(vec![Fault::nth(1, "PATCH", UPLOAD, effect)]).await;
    assert_eq!(server.story(), "HEAD POST PATCH(300000) GET PUT");
}

#[rstest]
#[case::it_forgot(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"))]
#[case::it_is_out_of_order(Answer::status(416))]
#[case::it_has_one_byte_or_none(Answer::status(204).header("range", "0-0"))]
#[case::it_does_not_tell(Answer::status(204))]
#[case::it_tells_nonsense(Answer::status(204).header("range", "bytes 5"))]
#[case::it_has_more_than_there_is(Answer::status(204).header("range", "0-300000"))]
#[case::it_is_down(Answer::status(503))]
#[case::it_shows_a_web_page(Answer::status(200).body("<html>"))]
#[tokio::test]
async fn a_broken_upload_starts_anew_without_an_offset(#[case] answer: Answer) {
    let (server, retries) = pushed(vec![
        Fault::nth(1, "PATCH", UPLOAD, broken(100_000)),
        Fault::nth(1, "GET", UPLOAD, Effect::Answer(answer)),
    ])
    .await;
    assert_eq!(server.story(), "HEAD POST PATCH(100000) GET HEAD POST PATCH(300000) PUT");
    assert_eq!((server.seen()[6].header("content-range"), retries), (None, 1));
}

#[tokio::test]
async fn an_upload_starts_anew_if_the_registry_kept_nothing() {
    let (server, _) = pushed(vec![Fault::nth(1, "PATCH", UPLOAD, Effect::Break { after: 100_000, kept: false })]).await;
    assert_eq!(server.story(), "HEAD POST PATCH(100000) GET HEAD POST PATCH(300000) PUT");
}

#[tokio::test]
async fn an_upload_starts_anew_in_the_same_attempt_if_the_rest_is_refused() {
    let (server, retries) = pushed(vec![
        Fault::nth(1, "PATCH", UPLOAD, broken(100_000)),
        Fault::nth(
            2,
            "PATCH",
            UPLOAD,
            Effect::Answer(Answer::status(416).body("maximum permissible limit of 4.00MiB")),
        ),
    ])
    .await;
    assert_eq!(server.story(), "HEAD POST PATCH(100000) GET PATCH(200000) HEAD POST PATCH(300000) PUT");
    assert_eq!(retries, 1);
}

#[tokio::test]
async fn an_unanswered_close_is_looked_up_and_counts_as_uploaded() {
    let (server, _) = pushed(vec![Fault::nth(1, "PUT", UPLOAD, Effect::LoseAnswer)]).await;
    // The upload is gone, because it succeeded.
    assert_eq!(server.story(), "HEAD POST PATCH(300000) PUT GET HEAD");
}

#[tokio::test]
async fn a_failed_close_is_repeated_without_the_bytes() {
    let (server, _) = pushed(vec![Fault::nth(1, "PUT", UPLOAD, Effect::Answer(Answer::status(503)))]).await;
    assert_eq!(server.story(), "HEAD POST PATCH(300000) PUT GET PUT");
}

#[rstest]
#[case::while_sending("PATCH", "HEAD POST PATCH(300000) HEAD POST PATCH(300000) PUT")]
#[case::at_its_end("PUT", "HEAD POST PATCH(300000) PUT HEAD POST PATCH(300000) PUT")]
#[tokio::test]
async fn an_upload_that_the_registry_lost_starts_anew(#[case] method: &'static str, #[case] story: &str) {
    let lost = Effect::Answer(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"));
    let (server, _) = pushed(vec![Fault::nth(1, method, UPLOAD, lost)]).await;
    assert_eq!(server.story(), story);
}
