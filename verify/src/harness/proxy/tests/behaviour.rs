//! HTTP/1.1 as it should be: heads, chunks, connections, TLS.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::support::{MANIFEST, Setup, UPLOAD, Upstream, read_to_end, read_until, send};
use crate::{
    harness::{
        proxy::{Effect, Proxy, Rule},
        tls::Authority,
    },
    history::{Kind, Recorder, Service},
};

#[tokio::test]
async fn the_clients_host_goes_on_and_what_is_of_the_connection_does_not() {
    let setup = Setup::start().await;
    let headers =
        [("connection", "x-mine"), ("x-mine", "1"), ("keep-alive", "5"), ("te", "trailers"), ("accept", "a/b")];
    send(setup.proxy.address(), "GET", &format!("{MANIFEST}?a=b%20c"), &headers, "").await.unwrap();
    let seen = &setup.behind.seen()[0];
    assert_eq!(seen.line, format!("GET {MANIFEST}?a=b%20c"));
    assert_eq!(seen.headers["host"], setup.proxy.address().to_string());
    assert_eq!(seen.headers["accept"], "a/b");
    for gone in ["connection", "x-mine", "keep-alive", "te", "x-forwarded-proto"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn many_requests_go_over_one_connection() {
    let setup = Setup::start().await;
    let mut stream = setup.write("").await;
    for body in ["one", "two", "three"] {
        let chunks = format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(format!("{chunks}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await.unwrap();
        assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    }
    let bodies: Vec<_> = setup.behind.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b"three"]);
    assert_eq!(setup.behind.seen()[0].headers["transfer-encoding"], "chunked");
}

#[tokio::test]
async fn an_upload_without_a_body_stays_without() {
    let setup = Setup::start().await;
    let headers = [("content-length", "0")];
    send(setup.proxy.address(), "POST", "/v2/acme/hello/blobs/uploads/", &headers, "").await.unwrap();
    let seen = &setup.behind.seen()[0];
    assert_eq!(seen.headers["content-length"], "0");
    assert!(!seen.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn a_head_keeps_the_length_of_what_it_stands_for() {
    let setup = Setup::start().await;
    setup.send("PUT", MANIFEST, "manifest").await.unwrap();
    let mut stream = setup.write(&format!("HEAD {MANIFEST} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
    let (text, end) = read_to_end(&mut stream).await;
    assert!(text.contains("content-length: 8\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(end, Ok(()));
}

#[tokio::test]
async fn another_server_behind_takes_over() {
    let setup = Setup::start().await;
    let mut stream = setup.write(&format!("GET {MANIFEST} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    read_until(&mut stream, "not there").await;
    let other = Upstream::start("other").await;
    setup.proxy.set_upstream(other.address);
    stream
        .write_all(format!("PATCH {UPLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").as_bytes())
        .await
        .unwrap();
    read_until(&mut stream, "other answers").await;
    assert_eq!((setup.behind.seen().len(), other.seen().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_share_a_rule_exactly() {
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).times(7).answer(503)).await;
    let address = setup.proxy.address();
    let sends: Vec<_> = (0..40)
        .map(|_| tokio::spawn(async move { send(address, "PUT", MANIFEST, &[], "body").await.unwrap().status }))
        .collect();
    let mut refused = 0;
    for sent in sends {
        refused += usize::from(sent.await.unwrap() == 503);
    }
    assert_eq!((refused, injected.times(), setup.behind.seen().len()), (7, 7, 33));
}

/// A proxy with TLS, and a client's connection to it.
async fn secure() -> (Upstream, Proxy, TlsConnector) {
    let authority = Authority::new().unwrap();
    let behind = Upstream::start("behind").await;
    let recorder = Recorder::default();
    let proxy = Proxy::start_with("ghcr", Service::Registry, &recorder, authority.server().ok()).await.unwrap();
    proxy.set_upstream(behind.address);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (behind, proxy, TlsConnector::from(Arc::new(config)))
}

#[tokio::test]
async fn behind_tls_addresses_are_told_to_be_secure() {
    let (behind, proxy, connector) = secure().await;
    assert!(proxy.url().starts_with("https://127.0.0.1:"));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    let get = format!("GET {MANIFEST} HTTP/1.1\r\nHost: a:1\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    assert_eq!(behind.seen()[0].headers["x-forwarded-proto"], "https");
    assert_eq!(behind.seen()[0].headers.get_all("x-forwarded-proto").iter().count(), 1);
}

#[tokio::test]
async fn connections_with_tls_are_reset_too() {
    let (behind, proxy, connector) = secure().await;
    proxy.add(Rule::on(Kind::ManifestPut).then(Effect::LoseAnswer));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let mut stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    let put = format!("PUT {MANIFEST} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    stream.write_all(put.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    assert_eq!(stream.read_to_end(&mut bytes).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(bytes.is_empty());
    assert_eq!(behind.seen()[0].body, b"body");
}

#[tokio::test]
async fn what_speaks_no_http_is_neither_recorded_nor_trouble() {
    let setup = Setup::start().await;
    // podman tries TLS first, where it may do without.
    let mut stream = setup.write("\u{16}\u{3}\u{1}\u{2}hello\r\n\r\n").await;
    let (text, _) = read_to_end(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
    assert_eq!(setup.history().await, []);
}
