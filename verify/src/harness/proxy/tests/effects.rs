//! Each effect, seen by the client, by the server behind and in the history.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use rstest::rstest;
use tokio::io::AsyncWriteExt as _;

use super::support::{MANIFEST, Setup, UPLOAD, read_to_end, read_until};
use crate::{
    harness::proxy::{Answer, Decision, Effect, Ending, Fired, Intercepted, Interceptor, Limit, Rule},
    history::{Kind, Operation},
};

fn put(body: &str) -> String {
    format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_answer_is_given_without_forwarding_so_often() {
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).named("two refusals").times(2).answer(503)).await;
    for expected in [503, 503, 201] {
        assert_eq!(setup.send("PUT", MANIFEST, "body").await.unwrap().status, expected);
    }
    assert_eq!(setup.behind.seen().len(), 1);
    assert_eq!(injected.times(), 2);
    assert_eq!(setup.proxy.fired(), [Fired { server: "ghcr".into(), rule: "two refusals".into(), times: 2 }]);
    let history = setup.history().await;
    let noted: Vec<_> = history.iter().map(|it| (it.status, it.forwarded, it.sent, it.fault.as_deref())).collect();
    let refused = (Some(503), false, 4, Some("two refusals"));
    assert_eq!(noted, [refused, refused, (Some(201), true, 4, None)]);
}

#[tokio::test]
async fn the_connection_lives_on_after_an_answer() {
    let (setup, _) = Setup::with(Rule::on(Kind::ManifestPut).times(1).answer(503)).await;
    let mut stream = setup.write(&put(&"x".repeat(1_000_000))).await;
    let refused = read_until(&mut stream, "\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    read_until(&mut stream, "]}").await;
    stream.write_all(put("x").as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn who_asks_before_sending_is_not_told_to_send() {
    let (setup, _) = Setup::with(Rule::on(Kind::ManifestPut).times(1).answer(503)).await;
    let head = format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    let mut stream = setup.write(&head).await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 503"));
    let mut stream = setup.write(&head).await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    assert_eq!(setup.behind.seen()[0].body, b"body");
    assert!(!setup.behind.seen()[0].headers.contains_key("expect"));
}

#[tokio::test]
async fn a_reset_comes_before_anything_is_forwarded() {
    let (setup, injected) =
        Setup::with(Rule::on(Kind::ManifestPut).named("reset").then(Effect::Reset(Arc::new(|| {})))).await;
    let mut stream = setup.write(&put("body")).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    injected.fired().await;
    assert_eq!(setup.behind.seen().len(), 0);
    let history = setup.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, false, Some("reset")));
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(100_000)]
#[case(299_999)]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_cut_after_so_many_bytes(#[case] bytes: usize) {
    let (setup, injected) =
        Setup::with(Rule::on(Kind::ManifestPut).named("cut").then(Effect::CutRequest(bytes as u64))).await;
    let mut stream = setup.write(&put(&"x".repeat(300_000))).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    let seen = setup.behind.seen_times(1).await;
    assert!(seen[0].body.len() <= bytes && !seen[0].whole, "{}", seen[0].body.len());
    assert_eq!(injected.times(), 1);
    let history = setup.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, true, Some("cut")));
    assert_eq!(history[0].digest, None);
}

#[tokio::test]
async fn a_body_that_is_too_short_to_be_cut_uses_nothing_up() {
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).times(1).then(Effect::CutRequest(4))).await;
    assert_eq!(setup.send("PUT", MANIFEST, "1234").await.unwrap().status, 201);
    assert_eq!(injected.times(), 0);
    assert!(setup.send("PUT", MANIFEST, "12345").await.is_err());
    assert_eq!(setup.send("PUT", MANIFEST, "12345").await.unwrap().status, 201);
    assert_eq!(injected.times(), 1);
    let history = setup.history().await;
    assert_eq!(history.iter().filter(|it| it.fault.is_some()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_lost_after_all_was_forwarded() {
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).named("lost").then(Effect::LoseAnswer)).await;
    let mut stream = setup.write(&put("body")).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    assert_eq!((&*setup.behind.seen()[0].body, setup.behind.seen()[0].whole), (&b"body"[..], true));
    assert_eq!(injected.times(), 1);
    let history = setup.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, true, Some("lost")));
}

/// Gives every request the same decision.
struct Always(Decision);

impl Interceptor for Always {
    fn intercept(&self, _: Option<&Operation>) -> BoxFuture<'static, Intercepted> {
        let decision = self.0.clone();
        async move { Intercepted { decision, until_ended: Box::new(()) } }.boxed()
    }
}

#[rstest]
#[case::close(Decision::End(Ending::Close), Ok(()), 0)]
#[case::reset(Decision::End(Ending::Reset), Err(ErrorKind::ConnectionReset), 0)]
#[case::lost(Decision::LoseAnswer(Arc::new(|| {}), Ending::Close), Ok(()), 1)]
#[tokio::test]
async fn an_interceptor_ends_connections(
    #[case] decision: Decision,
    #[case] end: Result<(), ErrorKind>,
    #[case] forwarded: usize,
) {
    let setup = Setup::start().await;
    setup.proxy.set_interceptor(Arc::new(Always(decision)));
    let mut stream = setup.write(&put("body")).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), end));
    assert_eq!(setup.behind.seen().len(), forwarded);
    assert_eq!(setup.history().await[0].fault.as_deref(), Some("interceptor"));
}

#[tokio::test]
async fn a_held_request_goes_on_when_it_is_released() {
    let (setup, held) = Setup::with(Rule::on(Kind::ManifestPut).then(Effect::Hold)).await;
    let mut stream = setup.write(&put("body")).await;
    held.fired().await;
    assert_eq!(setup.behind.seen().len(), 0);
    held.release();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    assert_eq!(setup.behind.seen()[0].body, b"body");
    // Released, it holds nothing more.
    assert_eq!(setup.send("PUT", MANIFEST, "more").await.unwrap().status, 201);
}

#[tokio::test]
async fn a_held_request_is_never_forwarded_when_the_proxy_ends() {
    let (setup, held) = Setup::with(Rule::on(Kind::ManifestPut).named("held").then(Effect::Hold)).await;
    let mut stream = setup.write(&put("body")).await;
    held.fired().await;
    let (behind, recorder) = (setup.behind, setup.recorder);
    setup.proxy.end().await;
    assert_eq!(read_to_end(&mut stream).await.0, "");
    assert_eq!(behind.seen().len(), 0);
    let history = recorder.history();
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, false, Some("held")));
}

#[tokio::test]
async fn a_held_request_whose_client_went_away_is_never_forwarded() {
    let (setup, held) = Setup::with(Rule::on(Kind::ManifestPut).then(Effect::Hold)).await;
    let stream = setup.write(&put("body")).await;
    held.fired().await;
    drop(stream);
    let exchange = setup.recorder.wait_for(|_| true).await;
    held.release();
    assert_eq!((exchange.status, exchange.forwarded, exchange.sent), (None, false, 4));
    assert_eq!(setup.send("PUT", MANIFEST, "other").await.unwrap().status, 201);
    assert_eq!(setup.behind.seen().len(), 1);
}

#[tokio::test]
async fn an_action_is_called_before_a_reset() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let action = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).then(Effect::Reset(Arc::new(action)))).await;
    let _ = setup.send("PUT", MANIFEST, "body").await;
    injected.fired().await;
    assert_eq!((calls.load(Ordering::SeqCst), setup.behind.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_limit_is_told_on_the_wire() {
    let (setup, _) = Setup::with(Rule::on(Kind::UploadBegin).times(1).limit(Limit::Plain(60))).await;
    setup.proxy.add(Rule::on(Kind::UploadBegin).times(1).limit(Limit::Date(60)));
    let path = "/v2/acme/hello/blobs/uploads/";
    let plain = setup.send("POST", path, "").await.unwrap();
    assert_eq!((plain.status, plain.header("retry-after"), plain.text()), (429, "60", "Too Many Requests"));
    let date = setup.send("POST", path, "").await.unwrap();
    let until = httpdate::parse_http_date(date.header("retry-after")).unwrap();
    assert!(until > std::time::SystemTime::now() + Duration::from_secs(55));
    assert_eq!(setup.history().await[0].answer_headers["retry-after"], "60");
}

#[tokio::test]
async fn a_function_may_decide() {
    let decision = |it: Option<&Operation>| (it?.tag() == Some("latest")).then(|| Answer::from(403));
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).times(1).decide(decision)).await;
    assert_eq!(setup.send("PUT", "/v2/acme/hello/manifests/1.0.0", "body").await.unwrap().status, 201);
    assert_eq!(injected.times(), 0);
    assert_eq!(setup.send("PUT", MANIFEST, "body").await.unwrap().status, 403);
    assert_eq!(injected.times(), 1);
}

#[tokio::test]
async fn a_rule_without_effect_only_counts() {
    let (setup, watched) = Setup::with(Rule::on(Kind::UploadAppend)).await;
    assert_eq!(setup.send("PATCH", UPLOAD, "body").await.unwrap().status, 200);
    watched.fired().await;
    assert_eq!(watched.times(), 1);
    assert_eq!(setup.history().await[0].fault, None);
}
