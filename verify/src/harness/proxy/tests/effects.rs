//! Each effect, seen by the client, by the server behind and in the history.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rstest::rstest;
use tokio::io::AsyncWriteExt as _;

use super::support::{MANIFEST, Site, UPLOAD, read_to_end, read_until};
use crate::{
    harness::proxy::{Answer, Ending, Fired, Limit, Rule},
    history::Kind,
};

fn put(body: &str) -> String {
    format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_answer_is_given_without_forwarding_so_often() {
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).named("two refusals").times(2).answer(503)).await;
    for expected in [503, 503, 201] {
        assert_eq!(site.send("PUT", MANIFEST, "body").await.unwrap().status, expected);
    }
    assert_eq!(site.behind.seen().len(), 1);
    assert_eq!(injected.times(), 2);
    assert_eq!(site.proxy.fired(), [Fired { server: "ghcr".into(), rule: "two refusals".into(), times: 2 }]);
    let history = site.history().await;
    let noted: Vec<_> = history.iter().map(|it| (it.status, it.forwarded, it.sent, it.fault.as_deref())).collect();
    let refused = (Some(503), false, 4, Some("two refusals"));
    assert_eq!(noted, [refused, refused, (Some(201), true, 4, None)]);
}

#[tokio::test]
async fn the_connection_lives_on_after_an_answer() {
    let (site, _) = Site::with(Rule::on(Kind::ManifestPut).times(1).answer(503)).await;
    let mut stream = site.write(&put(&"x".repeat(1_000_000))).await;
    let refused = read_until(&mut stream, "\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    read_until(&mut stream, "]}").await;
    stream.write_all(put("x").as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn who_asks_before_sending_is_not_told_to_send() {
    let (site, _) = Site::with(Rule::on(Kind::ManifestPut).times(1).answer(503)).await;
    let head = format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    let mut stream = site.write(&head).await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 503"));
    let mut stream = site.write(&head).await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    assert_eq!(site.behind.seen()[0].body, b"body");
    assert!(!site.behind.seen()[0].headers.contains_key("expect"));
}

#[tokio::test]
async fn a_reset_comes_before_anything_is_forwarded() {
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).named("reset").reset()).await;
    let mut stream = site.write(&put("body")).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    injected.fired().await;
    assert_eq!(site.behind.seen().len(), 0);
    let history = site.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, false, Some("reset")));
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(100_000)]
#[case(299_999)]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_cut_after_exactly_so_many_bytes(#[case] bytes: usize) {
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).named("cut").cut_request(bytes as u64)).await;
    let mut stream = site.write(&put(&"x".repeat(300_000))).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), Err(ErrorKind::ConnectionReset)));
    let seen = site.behind.seen_times(1).await;
    assert_eq!((seen[0].body.len(), seen[0].whole), (bytes, false));
    assert_eq!(injected.times(), 1);
    let history = site.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, true, Some("cut")));
    assert_eq!(history[0].digest, None);
}

#[tokio::test]
async fn a_body_that_is_too_short_to_be_cut_uses_nothing_up() {
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).times(1).cut_request(4)).await;
    assert_eq!(site.send("PUT", MANIFEST, "1234").await.unwrap().status, 201);
    assert_eq!(injected.times(), 0);
    assert!(site.send("PUT", MANIFEST, "12345").await.is_err());
    assert_eq!(site.send("PUT", MANIFEST, "12345").await.unwrap().status, 201);
    assert_eq!(injected.times(), 1);
    let history = site.history().await;
    assert_eq!(history.iter().filter(|it| it.fault.is_some()).count(), 1);
}

#[rstest]
#[case(Ending::Reset, Err(ErrorKind::ConnectionReset))]
#[case(Ending::Cut, Ok(()))]
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_lost_after_all_was_forwarded(#[case] ending: Ending, #[case] end: Result<(), ErrorKind>) {
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).named("lost").lose_answer_by(ending)).await;
    let mut stream = site.write(&put("body")).await;
    assert_eq!(read_to_end(&mut stream).await, (String::new(), end));
    assert_eq!((&*site.behind.seen()[0].body, site.behind.seen()[0].whole), (&b"body"[..], true));
    assert_eq!(injected.times(), 1);
    let history = site.history().await;
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, true, Some("lost")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_truncated_after_exactly_so_many_bytes() {
    let (site, injected) = Site::with(Rule::on(Kind::BlobGet).named("cut off").times(1).truncate_answer(6)).await;
    let get = "GET /v2/acme/hello/blobs/sha256:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = site.write(get).await;
    let (text, end) = read_to_end(&mut stream).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-length: 44"), "{head}");
    assert_eq!((body, end), ("behind", Ok(())));
    let mut stream = site.write(get).await;
    assert!(read_to_end(&mut stream).await.0.ends_with("behind answers /v2/acme/hello/blobs/sha256:1"));
    assert_eq!(injected.times(), 1);
    let history = site.history().await;
    assert_eq!((history[0].status, history[0].received, history[0].fault.as_deref()), (Some(200), 6, Some("cut off")));
}

#[rstest]
#[case(Rule::on(Kind::BlobGet).truncate_answer(44))]
#[case(Rule::on(Kind::BlobGet).corrupt_answer(44))]
#[case(Rule::on(Kind::BlobGet).corrupt_answer(u64::MAX))]
#[tokio::test]
async fn an_answer_that_is_too_short_is_left_alone(#[case] rule: Rule) {
    let (site, injected) = Site::with(rule).await;
    let reply = site.send("GET", "/v2/acme/hello/blobs/sha256:1", "").await.unwrap();
    assert_eq!(reply.text(), "behind answers /v2/acme/hello/blobs/sha256:1");
    assert_eq!(reply.body.len(), 44);
    assert_eq!(injected.times(), 0);
    assert_eq!(site.history().await[0].fault, None);
}

#[rstest]
#[case(0)]
#[case(43)]
#[tokio::test]
async fn one_bit_of_an_answer_is_flipped(#[case] place: usize) {
    let (site, injected) =
        Site::with(Rule::on(Kind::BlobGet).named("flipped").times(1).corrupt_answer(place as u64)).await;
    let path = "/v2/acme/hello/blobs/sha256:1";
    let corrupt = site.send("GET", path, "").await.unwrap();
    let good = site.send("GET", path, "").await.unwrap();
    let differences: Vec<_> = (0..good.body.len()).filter(|at| good.body[*at] != corrupt.body[*at]).collect();
    assert_eq!((differences, good.body.len()), (vec![place], corrupt.body.len()));
    assert_eq!(injected.times(), 1);
    assert_eq!(site.history().await[0].fault.as_deref(), Some("flipped"));
}

#[tokio::test]
async fn a_delay_comes_first() {
    let wait = Duration::from_millis(30);
    let (site, _) = Site::with(Rule::on(Kind::ManifestPut).named("slow").delay(wait)).await;
    let began = Instant::now();
    assert_eq!(site.send("PUT", MANIFEST, "body").await.unwrap().status, 201);
    assert!(began.elapsed() >= wait);
    assert_eq!(site.history().await[0].fault.as_deref(), Some("slow"));
}

#[tokio::test]
async fn bandwidth_is_limited_both_ways() {
    // Four pieces up, then down; the first of each goes at once.
    let (site, _) = Site::with(Rule::on_any(&[Kind::ManifestPut, Kind::ManifestGet]).bandwidth(1024 * 1024)).await;
    let body = "x".repeat(64 * 1024);
    let least = Duration::from_millis(46);
    let began = Instant::now();
    assert_eq!(site.send("PUT", MANIFEST, &body).await.unwrap().status, 201);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(site.send("GET", MANIFEST, "").await.unwrap().text(), body);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_held_request_goes_on_when_it_is_released() {
    let (site, held) = Site::with(Rule::on(Kind::ManifestPut).hold()).await;
    let mut stream = site.write(&put("body")).await;
    held.fired().await;
    assert_eq!(site.behind.seen().len(), 0);
    held.release();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    assert_eq!(site.behind.seen()[0].body, b"body");
    // Released, it holds nothing more.
    assert_eq!(site.send("PUT", MANIFEST, "more").await.unwrap().status, 201);
}

#[tokio::test]
async fn a_held_request_is_never_forwarded_when_the_proxy_ends() {
    let (site, held) = Site::with(Rule::on(Kind::ManifestPut).named("held").hold()).await;
    let mut stream = site.write(&put("body")).await;
    held.fired().await;
    let (behind, recorder) = (site.behind, site.recorder);
    site.proxy.end().await;
    assert_eq!(read_to_end(&mut stream).await.0, "");
    assert_eq!(behind.seen().len(), 0);
    let history = recorder.history();
    assert_eq!((history[0].status, history[0].forwarded, history[0].fault.as_deref()), (None, false, Some("held")));
}

#[tokio::test]
async fn a_held_request_whose_client_went_away_is_never_forwarded() {
    let (site, held) = Site::with(Rule::on(Kind::ManifestPut).hold()).await;
    let stream = site.write(&put("body")).await;
    held.fired().await;
    drop(stream);
    let exchange = site.recorder.wait_for(|_| true).await;
    held.release();
    assert_eq!((exchange.status, exchange.forwarded, exchange.sent), (None, false, 4));
    assert_eq!(site.send("PUT", MANIFEST, "other").await.unwrap().status, 201);
    assert_eq!(site.behind.seen().len(), 1);
}

#[tokio::test]
async fn a_held_answer_comes_after_the_server_behind_has_done_its_part() {
    let (site, held) = Site::with(Rule::on(Kind::ManifestPut).hold_answer()).await;
    let mut stream = site.write(&put("body")).await;
    held.fired().await;
    assert_eq!(site.behind.seen()[0].body, b"body");
    assert_eq!(site.recorder.history().len(), 0);
    held.release();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
}

#[rstest]
#[case(|rule: Rule| rule.reset(), 0)]
#[case(|rule: Rule| rule.lose_answer(), 1)]
#[case(|rule: Rule| rule, 1)]
#[tokio::test]
async fn something_is_called_when_a_rule_fires(#[case] effect: fn(Rule) -> Rule, #[case] seen: usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let rule = Rule::on(Kind::ManifestPut).call(Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    let (site, injected) = Site::with(effect(rule)).await;
    let _ = site.send("PUT", MANIFEST, "body").await;
    injected.fired().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(site.behind.seen().len(), seen);
}

#[tokio::test]
async fn a_limit_is_told_on_the_wire() {
    let (site, _) = Site::with(Rule::on(Kind::UploadBegin).times(1).limit(Limit::Plain(60))).await;
    site.proxy.add(Rule::on(Kind::UploadBegin).times(1).limit(Limit::Date(60)));
    let path = "/v2/acme/hello/blobs/uploads/";
    let plain = site.send("POST", path, "").await.unwrap();
    assert_eq!((plain.status, plain.header("retry-after"), plain.text()), (429, "60", "Too Many Requests"));
    let date = site.send("POST", path, "").await.unwrap();
    let until = httpdate::parse_http_date(date.header("retry-after")).unwrap();
    assert!(until > std::time::SystemTime::now() + Duration::from_secs(55));
    assert_eq!(site.history().await[0].answer_headers["retry-after"], "60");
}

#[tokio::test]
async fn a_function_may_decide() {
    let decision =
        |operation: &crate::history::Operation| (operation.tag() == Some("latest")).then(|| Answer::from(403));
    let (site, injected) = Site::with(Rule::on(Kind::ManifestPut).times(1).decide(decision)).await;
    assert_eq!(site.send("PUT", "/v2/acme/hello/manifests/1.0.0", "body").await.unwrap().status, 201);
    assert_eq!(injected.times(), 0);
    assert_eq!(site.send("PUT", MANIFEST, "body").await.unwrap().status, 403);
    assert_eq!(injected.times(), 1);
}

#[tokio::test]
async fn a_rule_without_effect_only_counts() {
    let (site, watched) = Site::with(Rule::on(Kind::UploadAppend)).await;
    assert_eq!(site.send("PATCH", UPLOAD, "body").await.unwrap().status, 200);
    watched.fired().await;
    assert_eq!(watched.times(), 1);
    assert_eq!(site.history().await[0].fault, None);
}
