//! A registry that says nothing: waited for as long as bytes leave, and a minute longer.

use std::time::Duration;

use super::{
    super::testing::{Effect, Fault, Scripted, registry},
    NAME,
};
use crate::{http::IDLE_TIMEOUT, oci::digest_of};

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
            registry.traffic.sent(1);
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
