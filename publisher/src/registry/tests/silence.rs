//! A registry that says nothing: waited for as long as bytes leave, and a minute longer.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    super::{
        Name, Registry,
        testing::{Answer, Effect, Fault, Scripted, registry},
    },
    NAME, bytes, manifest,
};
use crate::{
    http::IDLE_TIMEOUT,
    oci::{Tag, digest_of},
};

/// Lets time pass, and everybody act on that.
async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_is_waited_for_while_bytes_leave_and_a_minute_longer() {
    let server = Scripted::start(vec![Fault::nth(1, "HEAD", "*", Effect::Hold)]).await;
    let (registry, told) = registry(&server, NAME);
    let digest = digest_of(b"x");
    let clock = async {
        server.came(1).await;
        // Only while nothing is on its way: real sockets do not go with a clock that jumps.
        tokio::time::pause();
        for _ in 0..5 {
            registry.traffic.bytes_sent.fetch_add(1, Relaxed);
            pass(IDLE_TIMEOUT + Duration::from_millis(1)).await;
        }
        assert!(told.waits().is_empty(), "given up although an upload was on its way");
        pass(IDLE_TIMEOUT + Duration::from_millis(1)).await;
        assert_eq!(told.waits().len(), 1);
        tokio::time::resume();
    };
    let (there, ()) = tokio::join!(registry.has_blob(&digest), clock);
    assert!(!there.unwrap());
}

/// How long a run may take by its own clock, which jumps whenever all wait.
const RUN_MAX: Duration = Duration::from_secs(60 * 60);

/// Reads with a clock that jumps; how often it was tried again, and how long it took by that clock.
async fn jumping<T>(server: &Scripted, read: impl AsyncFnOnce(&Registry) -> T) -> (T, usize, Duration) {
    let (registry, told) = registry(server, NAME);
    // Connected before the clock is stopped.
    registry.has_blob(&digest_of(b"x")).await.unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let read = tokio::time::timeout(RUN_MAX, read(&registry)).await.expect("waits for ever");
    let took = start.elapsed();
    tokio::time::resume();
    (read, told.waits().len(), took)
}

#[tokio::test]
async fn an_answer_that_is_no_blob_may_take_a_minute_in_all() {
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", Effect::Trickle(1))]).await;
    let manifest = manifest();
    server.store(|store| store.put_manifest(NAME, Some("latest"), &manifest));
    let (read, retries, took) =
        jumping(&server, async |registry| registry.manifest(Name::Tag(&Tag::latest())).await).await;
    assert_eq!((read.unwrap(), retries), (Some(manifest), 1));
    assert!((60..=62).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_slow_refusal_is_still_a_refusal() {
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", Effect::Trickle(1))]).await;
    let (read, _, took) = jumping(&server, async |registry| registry.manifest(Name::Tag(&Tag::latest())).await).await;
    assert_eq!(read.unwrap(), None);
    assert!(took.as_secs() <= 1, "nobody reads what comes with a 404: {took:?}");
    let long = Answer::error(403, &"DENIED ".repeat(20));
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", Effect::TrickleAnswer(long, 1))]).await;
    let (read, _, took) = jumping(&server, async |registry| registry.manifest(Name::Tag(&Tag::latest())).await).await;
    assert_eq!(read.unwrap_err().cause.refusal().unwrap().status, 403);
    assert!((60..=62).contains(&took.as_secs()), "{took:?}");
}

/// A blob may be large: it has all the time in the world, as long as it comes.
#[rstest::rstest]
#[case::of_good_speed(4096, 0, 73)]
#[case::too_slow(512, 1, 60)]
#[tokio::test]
async fn a_blob_has_a_least_speed(#[case] bytes_per_s: usize, #[case] retries: usize, #[case] seconds: u64) {
    let server = Scripted::start(vec![Fault::nth(1, "GET", "*", Effect::Trickle(bytes_per_s))]).await;
    let digest = server.store(|store| store.put_blob(NAME, bytes()));
    let (read, retried, took) = jumping(&server, async |registry| registry.blob(&digest).await).await;
    assert!(*read.unwrap().unwrap() == *bytes() && retried == retries, "tried again {retried} times");
    assert!((seconds..=seconds + 2).contains(&took.as_secs()), "{took:?}");
}
