//! The flow against a token server on this machine.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex as Lock},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{Method, StatusCode, Uri},
};
use futures::future::join_all;
use reqwest::header::AUTHORIZATION;
use rstest::rstest;

use super::*;
use crate::{auth::Secret, http::RequestError};

const CANARY: &str = "canary-4711";

/// What the server saw of one request, as `METHOD query [authorization] body`.
type Seen = Arc<Lock<Vec<String>>>;

/// Gives its answers in order, the last one forever.
struct TokenServer {
    realm: String,
    seen: Seen,
}

impl TokenServer {
    async fn start(answers: &[(u16, &str)]) -> Self {
        let mut answers: VecDeque<(u16, String)> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let seen = Seen::default();
        let (log, script) = (
            Arc::clone(&seen),
            Arc::new(Lock::new(move || if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() })),
        );
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let authorization = headers.get(AUTHORIZATION).map(|value| format!(" [{}]", value.to_str().unwrap()));
            let (query, body) = (uri.query().unwrap_or_default(), String::from_utf8_lossy(&body));
            let line = format!("{method} {query}{} {body}", authorization.unwrap_or_default());
            log.lock().unwrap().push(line.trim_end().to_owned());
            let (status, body) = (script.lock().unwrap())().unwrap();
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let realm = format!("http://{}/token", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        Self { realm, seen }
    }

    fn challenge(&self, more: &str) -> HeaderMap {
        challenge(&format!(r#"Bearer realm="{}",service="reg"{more}"#, self.realm))
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// An authorizer that this server's registry has challenged once.
    async fn authorizer(&self, credential: Credential) -> Authorizer {
        let authorizer = authorizer(credential);
        assert!(authorizer.challenged(&scope(), &self.challenge(""), None).await.unwrap());
        authorizer
    }
}

fn authorizer(credential: Credential) -> Authorizer {
    Authorizer::new(crate::http::client().unwrap(), credential, false)
}

fn challenge(value: &str) -> HeaderMap {
    [(WWW_AUTHENTICATE, value.parse().unwrap())].into_iter().collect()
}

fn scope() -> Scope {
    Scope::push("a")
}

fn ann() -> Credential {
    Credential::basic("ann", CANARY)
}

async fn header(authorizer: &Authorizer, scope: &Scope) -> String {
    authorizer.header(scope).await.unwrap().unwrap().to_str().unwrap().to_owned()
}

/// Lets time pass while no request is under way.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn nothing_is_sent_before_the_registry_asks() {
    assert_eq!(authorizer(ann()).header(&scope()).await.unwrap(), None);
}

#[tokio::test]
async fn the_first_challenge_brings_a_token_for_the_scope() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1","expires_in":300}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let header = authorizer.header(&scope()).await.unwrap().unwrap();
    assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Bearer t1", true));
    // `printf ann:canary-4711 | base64`
    insta::assert_snapshot!(server.seen().join("\n"), @"GET service=reg&scope=repository%3Aa%3Apull%2Cpush [Basic YW5uOmNhbmFyeS00NzEx]");
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#)]).await;
    let authorizer = server.authorizer(Credential::Anonymous).await;
    assert_eq!(header(&authorizer, &Scope::mount("a", "b")).await, "Bearer t1");
    insta::assert_snapshot!(server.seen().join("\n"), @"GET service=reg&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_outside_of_the_address() {
    let server = TokenServer::start(&[(200, r#"{"access_token":"t1"}"#)]).await;
    let authorizer = server.authorizer(Credential::IdentityToken(Secret::new("refresh+me"))).await;
    assert_eq!(header(&authorizer, &Scope::mount("a", "b")).await, "Bearer t1");
    insta::assert_snapshot!(server.seen().join("\n"), @"POST  service=reg&scope=repository%3Aa%3Apull%2Cpush+repository%3Ab%3Apull&grant_type=refresh_token&client_id=tallyman-publisher&refresh_token=refresh%2Bme");
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_it_expires() {
    let answers = [(200, r#"{"token":"t1","expires_in":300}"#), (200, r#"{"token":"t2","expires_in":300}"#)];
    let server = TokenServer::start(&answers).await;
    let authorizer = server.authorizer(ann()).await;
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t1");
    pass(Duration::from_secs(280)).await;
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t1");
    pass(Duration::from_secs(12)).await;
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t2");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn twenty_requests_at_once_share_one_fetch() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#), (200, r#"{"token":"t2"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let headers = join_all((0..20).map(|_| async { header(&authorizer, &scope()).await })).await;
    assert_eq!((headers, server.seen().len()), (vec!["Bearer t1".to_owned(); 20], 1));
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_is_not_lost() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#), (200, r#"{"token":"t2"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let scope = scope();
    let mut cancelled = Box::pin(authorizer.header(&scope));
    assert!(futures::poll!(&mut cancelled).is_pending());
    drop(cancelled);
    assert_eq!((header(&authorizer, &scope).await.as_str(), server.seen().len()), ("Bearer t1", 1));
}

#[tokio::test]
async fn scopes_have_tokens_of_their_own() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#), (200, r#"{"token":"t2"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t1");
    assert_eq!(header(&authorizer, &Scope::delete("a")).await, "Bearer t2");
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t1");
}

#[rstest]
#[case::wrong_password(401, "incorrect username or password")]
#[case::no_permission(403, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#)]
#[tokio::test]
async fn a_refusal_of_the_token_server_is_final(#[case] status: u16, #[case] body: &str) {
    let server = TokenServer::start(&[(status, body), (200, r#"{"token":"t1"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    for _ in 0..2 {
        let error = authorizer.header(&scope()).await.unwrap_err();
        assert!(matches!(&error, AuthError::Denied { anonymous: false, .. }), "{error:?}");
        assert!(error.request().is_none() && error.hint().is_some());
    }
    assert_eq!(server.seen().len(), 1, "a wrong password is sent once: more would lock the account");
}

#[rstest]
#[case(503, "")]
#[case(429, "")]
#[case(403, "You have exceeded a secondary rate limit")]
#[case(302, "")]
#[tokio::test]
async fn another_bad_answer_is_told_to_all_who_wait_and_is_not_remembered(#[case] status: u16, #[case] body: &str) {
    let server = TokenServer::start(&[(status, body), (200, r#"{"token":"t1"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let scope = scope();
    for result in join_all((0..20).map(|_| authorizer.header(&scope))).await {
        let error = result.unwrap_err();
        let Some(RequestError::Refused(refusal)) = error.request() else { panic!("{error:?}") };
        assert_eq!(refusal.status, status);
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(header(&authorizer, &scope).await, "Bearer t1");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transport_error() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let authorizer = authorizer(ann());
    let headers = challenge(&format!(r#"Bearer realm="http://{closed}/token""#));
    authorizer.challenged(&scope(), &headers, None).await.unwrap();
    let error = authorizer.header(&scope()).await.unwrap_err();
    assert!(matches!(error.request(), Some(RequestError::Transport(_))), "{error:?}");
    assert_eq!(error.to_string(), format!("failed to get a token from {closed}"));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = TokenServer::start(&[(200, &" ".repeat(300_000))]).await;
    let error = server.authorizer(ann()).await.header(&scope()).await.unwrap_err();
    assert_eq!(error.request().unwrap().to_string(), "the answer is larger than 262144 bytes");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_who_used_it() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#), (200, r#"{"token":"t2"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let first = authorizer.header(&scope()).await.unwrap();
    let headers = server.challenge(r#",error="invalid_token""#);
    for _ in 0..3 {
        assert!(authorizer.challenged(&scope(), &headers, first.as_ref()).await.unwrap());
        assert_eq!(header(&authorizer, &scope()).await, "Bearer t2");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_scope_that_lacks_something_is_asked_for_with_it() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#), (200, r#"{"token":"t2","expires_in":300}"#)]).await;
    let authorizer = server.authorizer(Credential::Anonymous).await;
    let first = authorizer.header(&scope()).await.unwrap();
    let headers = server.challenge(r#",scope="repository:a:delete",error="insufficient_scope""#);
    assert!(authorizer.challenged(&scope(), &headers, first.as_ref()).await.unwrap());
    assert_eq!(header(&authorizer, &scope()).await, "Bearer t2");
    insta::assert_snapshot!(server.seen()[1], @"GET service=reg&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Aa%3Adelete");
}

#[tokio::test]
async fn a_token_that_lacks_what_was_asked_for_all_the_same_is_final() {
    let server = TokenServer::start(&[(200, r#"{"token":"t1"}"#)]).await;
    let authorizer = server.authorizer(ann()).await;
    let first = authorizer.header(&scope()).await.unwrap();
    let headers = server.challenge(r#",scope="repository:a:pull,push",error="insufficient_scope""#);
    assert!(!authorizer.challenged(&scope(), &headers, first.as_ref()).await.unwrap());
}

#[tokio::test]
async fn a_basic_challenge_is_answered_with_the_password_once() {
    let authorizer = authorizer(ann());
    let headers = challenge(r#"Basic realm="x""#);
    assert!(authorizer.challenged(&scope(), &headers, None).await.unwrap());
    let sent = authorizer.header(&scope()).await.unwrap();
    assert_eq!(sent.as_ref().unwrap().to_str().unwrap(), "Basic YW5uOmNhbmFyeS00NzEx");
    assert!(!authorizer.challenged(&scope(), &headers, sent.as_ref()).await.unwrap());
}

#[rstest]
#[case(Credential::Anonymous)]
#[case(Credential::IdentityToken(Secret::new("t")))]
#[tokio::test]
async fn a_basic_challenge_is_final_without_a_password(#[case] credential: Credential) {
    let authorizer = authorizer(credential);
    assert!(!authorizer.challenged(&scope(), &challenge(r#"Basic realm="x""#), None).await.unwrap());
    assert_eq!(authorizer.header(&scope()).await.unwrap(), None);
}

#[rstest]
#[case("https://tokens.example/t", false, true)]
#[case("http://tokens.example/t", false, false)]
#[case("http://localhost.example/t", false, false)]
#[case("http://10.0.0.1/t", false, false)]
#[case("http://tokens.example/t", true, true)]
#[case("http://localhost:1/t", false, true)]
#[case("http://127.0.0.2:1/t", false, true)]
#[case("http://[::1]:1/t", false, true)]
#[case("ftp://tokens.example/t", true, false)]
#[tokio::test]
async fn a_password_goes_over_tls_or_stays_on_this_machine(
    #[case] realm: &str,
    #[case] allow_http: bool,
    #[case] taken: bool,
) {
    let authorizer = Authorizer::new(crate::http::client().unwrap(), ann(), allow_http);
    let headers = challenge(&format!(r#"Bearer realm="{realm}""#));
    assert_eq!(authorizer.challenged(&scope(), &headers, None).await.is_ok(), taken);
    if !taken {
        assert_eq!(authorizer.header(&scope()).await.unwrap(), None, "what was refused is not remembered");
    }
}

#[rstest]
#[case(401, "you sent {secret}")]
#[case(401, r#"{"errors":[{"code":"{secret}","message":"{secret}"}]}"#)]
#[case(503, "you sent {secret}")]
#[case(200, r#"{"token":["{secret}"]}"#)]
#[case(200, r#"{"token":"{secret}\n"}"#)]
#[tokio::test]
async fn no_secret_is_in_an_error(
    #[case] status: u16,
    #[case] answer: &str,
    #[values(ann(), Credential::IdentityToken(Secret::new(CANARY)))] credential: Credential,
    #[values(CANARY, "YW5uOmNhbmFyeS00NzEx")] echoed: &str,
) {
    let server = TokenServer::start(&[(status, &answer.replace("{secret}", echoed))]).await;
    let may_be_shown = echoed != CANARY && matches!(credential, Credential::IdentityToken(_));
    let error = server.authorizer(credential).await.header(&scope()).await.unwrap_err();
    let chain = crate::exit::Failure::new(crate::exit::Exit::Failed, "x").because(error.clone()).chain();
    let shown = format!("{error:?} {chain:?} {:?} {:?}", error.hint(), error.request());
    assert!(!shown.contains(CANARY) && (may_be_shown || !shown.contains(echoed)), "{shown}");
}

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
}

fn bearer(values: &[&str]) -> Bearer {
    let Ok(Challenge::Bearer(bearer)) = Challenge::of(&headers(values)) else { panic!("no bearer challenge") };
    bearer
}

#[rstest]
#[case(&[r#"Bearer realm="https://b/t",service="s, \"t\"""#])]
#[case(&[r#"bEARER Realm="https://b/t", SERVICE="s, \"t\"""#])]
#[case(&[r#"Basic realm="a", Bearer realm="https://b/t",service="s, \"t\"""#])]
#[case(&[r#"Basic realm="a""#, r#"Bearer realm="https://b/t",service="s, \"t\"""#])]
#[case(&[r#"Negotiate, Bearer realm="https://b/t",service="s, \"t\"""#])]
fn bearer_is_taken_before_others(#[case] values: &[&str]) {
    let (realm, service) = ("https://b/t".parse().unwrap(), Some(r#"s, "t""#.to_owned()));
    assert_eq!(bearer(values), Bearer { realm, service, lacking: None });
}

#[test]
fn basic_is_taken_without_bearer() {
    assert!(matches!(Challenge::of(&headers(&[r#"Negotiate, Basic realm="a""#])), Ok(Challenge::Basic)));
}

#[rstest]
#[case(&[], "it offers neither a token server nor Basic authentication")]
#[case(&[r#"Bearer realm="canary"#], "its WWW-Authenticate header cannot be read")]
#[case(&["<html>"], "its WWW-Authenticate header cannot be read")]
#[case(&[r#"realm="a""#], "its WWW-Authenticate header cannot be read")]
#[case(&["Negotiate", r#"Digest realm="a""#], "it offers neither a token server nor Basic authentication")]
#[case(&["Bearer"], "its challenge names no usable token server")]
#[case(&[r#"Bearer realm="/token""#], "its challenge names no usable token server")]
#[case(&[r#"Bearer realm="mailto:a@b""#], "its challenge names no usable token server")]
fn what_cannot_be_answered_is_an_error(#[case] values: &[&str], #[case] reason: &str) {
    let error = Challenge::of(&headers(values)).unwrap_err();
    assert_eq!(error.to_string(), format!("the registry wants a login, but {reason}"));
}

#[rstest]
#[case(r#",error="insufficient_scope""#, Some("repository:a:push"))]
#[case(r#",error="invalid_token""#, None)]
#[case("", None)]
fn a_scope_is_lacking_only_where_the_refusal_says_so(#[case] error: &str, #[case] lacking: Option<&str>) {
    let value = format!(r#"Bearer realm="https://b/t",scope="repository:a:push"{error}"#);
    assert_eq!(bearer(&[&value]).lacking.as_deref(), lacking);
}
