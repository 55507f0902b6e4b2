//! What is recorded of exchanges that end well or badly, and what is trouble of the harness.

use std::io::ErrorKind;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::support::{MANIFEST, Setup, UPLOAD, read_to_end, send};
use crate::history::Kind;

#[tokio::test]
async fn a_manifest_is_recorded_with_its_digest() {
    let setup = Setup::start().await;
    setup.send("PUT", MANIFEST, "test").await.unwrap();
    setup.send("PATCH", UPLOAD, "test").await.unwrap();
    let history = setup.history().await;
    let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert_eq!((history[0].digest.as_deref(), history[0].sent), (Some(digest), 4));
    assert_eq!((history[1].digest.as_deref(), history[1].sent, history[1].received), (None, 4, 45));
    assert_eq!(history[0].answer_headers["docker-content-digest"], "sha256:00");
    assert_eq!((&*history[0].method, &*history[0].path, &*history[0].server), ("PUT", MANIFEST, "ghcr"));
}

#[tokio::test]
async fn what_nobody_knows_is_recorded_as_such() {
    let setup = Setup::start().await;
    setup.send("GET", "/v2/acme/hello/sbom", "").await.unwrap();
    setup.send("GET", MANIFEST, "").await.unwrap();
    let history = setup.history().await;
    let unknown: Vec<_> = history.iter().filter(|it| it.operation.is_none()).map(|it| it.path.as_str()).collect();
    assert_eq!(unknown, ["/v2/acme/hello/sbom"]);
    assert_eq!(history[1].operation.as_ref().unwrap().kind, Kind::ManifestGet);
}

#[tokio::test]
async fn a_client_that_goes_away_in_its_upload_is_recorded_and_no_trouble() {
    let setup = Setup::start().await;
    let stream = setup.write(&format!("PATCH {UPLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")).await;
    drop(stream);
    let exchange = setup.recorder.wait_for(|_| true).await;
    assert_eq!((exchange.status, exchange.sent, exchange.fault), (None, 4, None));
    assert!(!setup.behind.seen_times(1).await[0].whole);
    assert_eq!(setup.history().await.len(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_await_its_answer_is_recorded() {
    let setup = Setup::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.proxy.set_upstream(silent.local_addr().unwrap());
    let stream = setup.write(&format!("GET {MANIFEST} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let (mut behind, _) = silent.accept().await.unwrap();
    behind.read_u8().await.unwrap();
    drop(stream);
    let exchange = setup.recorder.wait_for(|_| true).await;
    assert_eq!((exchange.status, exchange.forwarded), (None, true));
    // The server behind sees that nobody waits any more.
    let mut rest = Vec::new();
    behind.read_to_end(&mut rest).await.unwrap();
    assert_eq!(setup.history().await.len(), 1);
}

#[tokio::test]
async fn a_server_behind_that_is_not_there_is_trouble() {
    let setup = Setup::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    setup.proxy.set_upstream(closed);
    assert_eq!(setup.send("PUT", MANIFEST, "body").await.unwrap().status, 502);
    assert!(setup.recorder.trouble()[0].starts_with("the proxy of ghcr: "), "{:?}", setup.recorder.trouble());
    assert!(setup.recorder.trouble()[0].contains("cannot be reached"), "{:?}", setup.recorder.trouble());
    assert!(!setup.recorder.history()[0].forwarded);
}

#[tokio::test]
async fn a_server_behind_that_was_never_told_is_trouble() {
    let recorder = crate::history::Recorder::default();
    let proxy = super::super::Proxy::start("hub-api", crate::history::Service::DockerHub, &recorder).await.unwrap();
    assert_eq!(send(proxy.address(), "GET", "/", &[], "").await.unwrap().status, 502);
    assert_eq!(recorder.trouble(), ["the proxy of hub-api: no upstream is set yet"]);
}

#[tokio::test]
async fn a_server_behind_that_says_nothing_or_half_is_trouble() {
    for (said, words) in [("", "did not answer"), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "broke off")] {
        let setup = Setup::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        setup.proxy.set_upstream(listener.local_addr().unwrap());
        let mut stream = setup.write(&format!("GET {MANIFEST} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        let (mut behind, _) = listener.accept().await.unwrap();
        behind.write_all(said.as_bytes()).await.unwrap();
        let mut request = vec![0; 10_000];
        assert_ne!(behind.read(&mut request).await.unwrap(), 0);
        drop(behind);
        let (answer, end) = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 502") || answer.ends_with("half"), "{answer}");
        assert_ne!(end, Err(ErrorKind::ConnectionReset));
        assert!(setup.recorder.trouble()[0].contains(words), "{:?}", setup.recorder.trouble());
    }
}

#[tokio::test]
async fn arrivals_are_in_order_on_many_connections() {
    let setup = Setup::start().await;
    let address = setup.proxy.address();
    let sends = (0..40).map(|number| {
        tokio::spawn(
            async move { send(address, "GET", &format!("/v2/a/tags/list?n={number}"), &[], "").await.unwrap() },
        )
    });
    for reply in sends.collect::<Vec<_>>() {
        assert_eq!(reply.await.unwrap().status, 200);
    }
    let history = setup.history().await;
    assert_eq!(history.len(), 40);
    assert!(history.is_sorted_by_key(|exchange| exchange.began_ms));
    assert!(history.iter().all(|exchange| exchange.ended_ms >= exchange.began_ms));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_that_goes_through_is_never_in_the_history(secret in "zq[A-Za-z0-9]{14,38}", name in "[a-z]{3,12}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kept = runtime.block_on(async {
            let setup = Setup::start().await;
            let address = setup.proxy.address();
            let (bearer, cookie) = (format!("Bearer {secret}"), format!("{name}={secret}"));
            let headers = [("authorization", &*bearer), ("cookie", &cookie), ("x-token", &secret), ("referer", &secret)];
            for path in [
                format!("/token?x{name}={secret}&password={secret}&scope=repository:a:pull&{secret}"),
                format!("/v2/acme/hello/manifests/latest?{name}x={secret}"),
                format!("http://me:{secret}@127.0.0.1/v2/acme/hello/manifests/latest?token={secret}"),
            ] {
                for method in ["GET", "POST", "PUT"] {
                    send(address, method, &path, &headers, secret.clone()).await.unwrap();
                }
            }
            // It did go through: what is recorded was redacted, not absent.
            assert!(setup.behind.seen().iter().all(|seen| seen.body == secret.as_bytes()));
            serde_json::to_string(&setup.history().await).unwrap()
        });
        prop_assert!(!kept.contains(&secret), "{kept}");
    }
}
