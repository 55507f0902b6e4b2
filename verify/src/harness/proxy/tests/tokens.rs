//! Expired tokens, and the way to the token service.

use super::support::{MANIFEST, Setup, Upstream, send};
use crate::{harness::proxy::Rule, history::Kind};

async fn status(setup: &Setup, token: &str) -> (u16, String) {
    let headers = [("authorization", token)];
    let reply = send(setup.proxy.address(), "PUT", MANIFEST, &headers, "body").await.unwrap();
    (reply.status, reply.header("www-authenticate").to_owned())
}

#[tokio::test]
async fn an_expired_token_stays_expired_and_a_new_one_is_good() {
    let (setup, injected) = Setup::with(Rule::on(Kind::ManifestPut).named("expired").times(1).expired_token()).await;
    // Without a token there is none that can expire.
    assert_eq!(setup.send("PUT", MANIFEST, "body").await.unwrap().status, 201);
    let challenge = "Bearer realm=\"http://127.0.0.1:1/token\",service=\"behind\",\
                     scope=\"repository:acme/hello:pull,push\",error=\"invalid_token\"";
    let refused = (401, challenge.to_owned());
    assert_eq!(status(&setup, "Bearer old-token").await, refused);
    assert_eq!(status(&setup, "Bearer old-token").await, refused);
    assert_eq!(status(&setup, "Bearer new-token").await, (201, String::new()));
    assert_eq!(injected.times(), 1);
    injected.release();
    assert_eq!(status(&setup, "Bearer old-token").await, (201, String::new()));
    let history = setup.history().await;
    let faults: Vec<_> = history.iter().map(|it| it.fault.as_deref()).collect();
    assert_eq!(faults, [None, Some("expired"), Some("expired"), None, None]);
    assert!(!serde_json::to_string(&history).unwrap().contains("-token"));
}

#[tokio::test]
async fn no_token_expires_where_none_is_asked_for() {
    let (setup, injected) = Setup::with(Rule::on(Kind::Token).expired_token()).await;
    // A server that answers `/v2/` with 200: this one is no registry, and asks for no token.
    let tokens = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.proxy.set_token_service(tokens.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let (mut stream, _) = tokens.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    });
    let headers = [("authorization", "Bearer old")];
    let reply = send(setup.proxy.address(), "GET", "/token", &headers, "").await.unwrap();
    answering.await.unwrap();
    assert_eq!((reply.status, injected.times()), (502, 0));
    assert!(setup.recorder.trouble()[0].contains("no token can expire"), "{:?}", setup.recorder.trouble());
}

#[tokio::test]
async fn tokens_are_asked_for_at_the_token_service() {
    let setup = Setup::start().await;
    assert_eq!(setup.send("GET", "/token?service=a", "").await.unwrap().text(), "behind answers /token");
    let tokens = Upstream::start("tokens").await;
    setup.proxy.set_token_service(tokens.address);
    assert_eq!(setup.send("GET", "/token?service=a", "").await.unwrap().text(), "tokens answers /token");
    let reply = setup.send("GET", "/v2/acme/hello/tags/list", "").await.unwrap();
    assert_eq!(reply.text(), "behind answers /v2/acme/hello/tags/list");
    assert_eq!(tokens.seen()[0].line, "GET /token?service=a");
    assert_eq!(setup.history().await[1].operation.as_ref().unwrap().kind, Kind::Token);
}
