//! Expired tokens, and the way to the token service.

use super::support::{CHALLENGE, MANIFEST, Setup, Upstream, send};
use crate::{
    harness::proxy::{Effect, Rule},
    history::Kind,
};

async fn status(setup: &Setup, token: &str) -> (u16, String) {
    let headers = [("authorization", token)];
    let reply = send(setup.proxy.address(), "PUT", MANIFEST, &headers, "body").await.unwrap();
    (reply.status, reply.header("www-authenticate").to_owned())
}

#[tokio::test]
async fn an_expired_token_stays_expired_and_a_new_one_is_good() {
    let (setup, injected) =
        Setup::with(Rule::on(Kind::ManifestPut).named("expired").times(1).then(Effect::ExpireToken)).await;
    // Without a token there is none that can expire.
    assert_eq!(setup.send("PUT", MANIFEST, "body").await.unwrap().status, 201);
    let refused = (401, CHALLENGE.to_owned());
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
