//! How long is waited, and who waits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rstest::rstest;

use super::{
    super::{
        Hosts, Name, UPLOADS_MAX,
        testing::{Answer, Effect, Fault, Scripted, blob_of, client, registry},
    },
    NAME, no_progress,
};
use crate::{
    auth::Credential,
    http::RETRY_AFTER_MAX,
    oci::{Tag, digest_of},
};

/// A pause that tests can afford: GHCR's way to say it knows less than a second.
const SHORT: Duration = Duration::from_millis(60);

fn wait_shortly() -> Effect {
    Effect::Answer(Answer::status(429).body("retry-after: 60ms, allowed: 44000/minute"))
}

/// The wait that is announced when the registry answers so.
async fn announced(answer: Answer) -> Duration {
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", Effect::Answer(answer))]).await;
    let (registry, told) = registry(&server, NAME);
    let latest = Tag::latest();
    tokio::select! {
        result = registry.manifest(Name::Tag(&latest)) => panic!("did not wait: {result:?}"),
        () = told.retried() => told.waits()[0],
    }
}

#[rstest]
#[case(Answer::status(429).header("retry-after", "7"), Duration::from_secs(7))]
#[case(Answer::status(503).header("retry-after", "7"), Duration::from_secs(7))]
#[case(Answer::status(429).header("retry-after", "3600"), RETRY_AFTER_MAX)]
#[case(Answer::status(429).header("x-retry-after", "99999999999"), RETRY_AFTER_MAX)]
#[case(Answer::status(429).body("slow down, retry-after: 1.5s"), Duration::from_millis(1500))]
#[case(Answer::status(429).body("retry-after: 2m"), RETRY_AFTER_MAX)]
#[case(Answer::status(403).header("retry-after", "9").body("secondary rate limit"), Duration::from_secs(9))]
#[tokio::test]
async fn retry_after_is_added_to_the_backoff(#[case] answer: Answer, #[case] asked: Duration) {
    let own = announced(answer).await.checked_sub(asked).unwrap();
    assert!((1000..=1250).contains(&own.as_micros()), "{own:?}");
}

/// GHCR has been seen to ask for less than a millisecond, three times in a row.
#[tokio::test]
async fn a_tiny_retry_after_does_not_use_up_the_attempts() {
    let limited = Effect::Answer(Answer::status(429).body("retry-after: 880.092µs, allowed: 44000/minute"));
    let server = Scripted::start(vec![Fault::always("GET", "*", limited)]).await;
    let (registry, told) = registry(&server, NAME);
    registry.manifest(Name::Tag(&Tag::latest())).await.unwrap_err();
    let [first, second] = told.waits()[..] else { panic!("{:?}", told.waits()) };
    assert!((1880..=2131).contains(&first.as_micros()) && (2880..=3381).contains(&second.as_micros()));
}

#[rstest]
#[case("retry-after", httpdate::fmt_http_date)]
#[case("x-retry-after", |until: SystemTime| until.duration_since(UNIX_EPOCH).unwrap().as_secs().to_string())]
#[tokio::test]
async fn a_point_in_time_is_waited_for(#[case] header: &str, #[case] written: fn(SystemTime) -> String) {
    let until = SystemTime::now() + Duration::from_secs(40);
    let wait = announced(Answer::status(429).header(header, written(until))).await;
    assert!((Duration::from_secs(30)..=Duration::from_millis(40_002)).contains(&wait), "{wait:?}");
}

#[tokio::test]
async fn without_retry_after_the_waits_double() {
    let server = Scripted::start(vec![Fault::always("GET", "*", Effect::Answer(Answer::status(503)))]).await;
    let (registry, told) = registry(&server, NAME);
    registry.manifest(Name::Tag(&Tag::latest())).await.unwrap_err();
    let [first, second] = told.waits()[..] else { panic!("{:?}", told.waits()) };
    assert!((1000..=1250).contains(&first.as_micros()) && (2000..=2500).contains(&second.as_micros()));
}

/// The other operation may concern another repository: to the host they are one client.
#[rstest]
#[case::of_the_same_repository(NAME)]
#[case::of_another_one("acme/other")]
#[tokio::test]
async fn a_retry_after_pauses_the_other_operations(#[case] name: &str) {
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", wait_shortly())]).await;
    let hosts = Hosts::default();
    let of = |name: &str| client(&format!("{}/{name}", server.host()), Credential::Anonymous, &hosts);
    let ((one, told), (other, _)) = (of(NAME), of(name));
    let (latest, digest) = (Tag::latest(), digest_of(b"x"));
    let second = async {
        told.retried().await;
        other.has_blob(&digest).await
    };
    let (first, second) = tokio::join!(one.manifest(Name::Tag(&latest)), second);
    assert_eq!((first.unwrap(), second.unwrap()), (None, false));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[1..].iter().all(|later| later.at - seen[0].at >= SHORT), "{seen:?}");
}

#[tokio::test]
async fn an_upload_that_waits_for_a_permit_is_not_sent_into_the_pause() {
    let server = Scripted::start(vec![Fault::nth(1, "POST", "*", wait_shortly())]).await;
    let (registry, _) = registry(&server, NAME);
    // One turn is left, so that the second upload has to queue.
    let _taken = registry.limiter.uploads.acquire_many(u32::try_from(UPLOADS_MAX - 1).unwrap()).await.unwrap();
    let (one, other) = (blob_of(b"one"), blob_of(b"other"));
    let no_progress = no_progress();
    let (one, other) =
        tokio::join!(registry.push_blob(&one, None, &no_progress), registry.push_blob(&other, None, &no_progress));
    assert!(one.is_ok() && other.is_ok());
    let seen = server.seen();
    // HEAD and POST of the first, which is told to wait; all else comes after that.
    assert!(seen[2..].iter().all(|later| later.at - seen[1].at >= SHORT), "{}", server.story());
}
