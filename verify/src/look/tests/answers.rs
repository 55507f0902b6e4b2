//! Answers that a real registry gives rarely: tokens, trouble, nonsense.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use rstest::rstest;

use crate::look::{Depth, LookError, Looker, Place};

/// What a server is to answer: status, headers, body. `HOST` stands for the server itself.
type Scripted = (u16, &'static [(&'static str, &'static str)], &'static str);

const CHALLENGE: Scripted =
    (401, &[("www-authenticate", r#"Bearer realm="http://HOST/token",service="s",scope="repository:a:pull""#)], "");
const TOKEN: Scripted = (200, &[], r#"{"token":"opaque"}"#);
const NOTHING: Scripted = trouble(404);
const AT_ONCE: Scripted = (429, &[("retry-after", "0")], "");
const DIGEST: Scripted = (200, &[("docker-content-digest", "sha256:1")], "");

const fn trouble(status: u16) -> Scripted {
    (status, &[], "")
}

struct Script {
    host: String,
    answers: Mutex<VecDeque<Scripted>>,
    requests: Mutex<Vec<String>>,
}

/// A server that gives these answers, in this order, to whatever it is asked.
async fn server(answers: &[Scripted]) -> (Looker, Arc<Script>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let answers = Mutex::new(answers.iter().copied().collect());
    let script = Arc::new(Script { host: host.clone(), answers, requests: Mutex::default() });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    let place = Place::open("x", &format!("{host}/a")).unwrap().with_credentials("user", "password");
    (Looker::new(place).unwrap(), script)
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> axum::response::Response {
    let authorization = request.headers().get("authorization").map_or("", |it| it.to_str().unwrap());
    let asked = format!("{} {} {authorization}", request.method(), request.uri());
    script.requests.lock().unwrap().push(asked.trim().to_owned());
    let Some((status, headers, body)) = script.answers.lock().unwrap().pop_front() else {
        return StatusCode::IM_A_TEAPOT.into_response();
    };
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, value.replace("HOST", &script.host));
    }
    answer.body(body.into()).unwrap()
}

impl Script {
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_has_expired() {
    let (looker, script) = server(&[CHALLENGE, TOKEN, DIGEST, DIGEST, CHALLENGE, TOKEN, NOTHING]).await;
    assert_eq!(looker.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(looker.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(looker.resolve("latest").await.unwrap(), None);
    let (asked, token) =
        ("HEAD /v2/a/manifests/latest", "GET /token?scope=repository%3Aa%3Apull&service=s Basic dXNlcjpwYXNzd29yZA==");
    let with_token = format!("{asked} Bearer opaque");
    let expected = [asked, token, &with_token, &with_token, &with_token, token, &with_token];
    assert_eq!(script.requests(), expected);
}

#[tokio::test]
async fn a_token_that_is_refused_is_an_answer() {
    let (looker, _) = server(&[CHALLENGE, (403, &[], "no")]).await;
    let publication = looker.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].status, Some(401));
}

#[rstest]
#[case::token_service_in_trouble(&[CHALLENGE, trouble(503), CHALLENGE, trouble(503), CHALLENGE, trouble(503)], "503")]
#[case::token_service_says_nonsense(&[CHALLENGE, (200, &[], "{}"), CHALLENGE, (200, &[], "x"), CHALLENGE, TOKEN, trouble(502)], "502")]
#[case::registry_in_trouble(&[trouble(500), trouble(502), trouble(503)], "503")]
#[case::too_many_requests(&[trouble(429), AT_ONCE, trouble(429)], "429")]
#[tokio::test]
async fn trouble_is_no_answer(#[case] answers: &[Scripted], #[case] told: &str) {
    let (looker, script) = server(answers).await;
    let error = looker.publication("latest", Depth::Manifests).await.unwrap_err();
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(script.requests().len(), answers.len());
}

#[tokio::test]
async fn trouble_that_passes_is_forgotten() {
    let (looker, _) = server(&[(503, &[("retry-after", "0")], ""), (429, &[("retry-after", "0")], ""), DIGEST]).await;
    assert_eq!(looker.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
}

#[tokio::test]
async fn without_the_header_the_digest_is_computed() {
    let (looker, script) = server(&[(200, &[], ""), (200, &[], "")]).await;
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(looker.resolve("latest").await.unwrap().as_deref(), Some(empty));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn the_pages_of_tags_are_followed() {
    let more = &[("link", r#"</v2/a/tags/list?last=b&n=2>; rel="next""#)];
    let (looker, script) = server(&[(200, more, r#"{"tags":["b","a"]}"#), (200, &[], r#"{"tags":null}"#)]).await;
    assert_eq!(looker.all_tags().await.unwrap(), ["a", "b"]);
    assert_eq!(script.requests()[1], "GET /v2/a/tags/list?last=b&n=2");
}

#[tokio::test]
async fn what_a_refusal_says_is_kept_short() {
    let (looker, _) = server(&[(400, &[], include_str!("answers.rs"))]).await;
    let publication = looker.publication("latest", Depth::Manifests).await.unwrap();
    let missing = &publication.missing[0];
    assert_eq!((missing.status, missing.cause.chars().count()), (Some(400), 300));
}

#[tokio::test]
async fn what_is_no_manifest_is_told() {
    let (looker, _) = server(&[(200, &[], "<html>")]).await;
    let publication = looker.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].cause, "neither a list nor an image");
}

#[tokio::test]
async fn a_registry_that_states_a_wrong_digest_is_told() {
    let stated = &[("docker-content-digest", "sha256:2"), ("content-type", "text/plain")];
    let (looker, _) = server(&[(200, stated, r#"{"mediaType":"x","manifests":[]}"#)]).await;
    let publication = looker.publication("sha256:3", Depth::Manifests).await.unwrap();
    let told: Vec<String> = crate::look::integrity(&publication).into_iter().map(|it| it.expected).collect();
    assert!(told[0].contains("the digest of what it names is sha256:3"), "{told:?}");
    assert!(told[1].contains("the digest that the registry says of what it names"), "{told:?}");
    assert!(told[2].contains("the media type that the registry says of what it names is x"), "{told:?}");
}

#[tokio::test]
async fn entries_that_cannot_be_read_are_told_and_the_others_are_read() {
    let list = r#"{"manifests":[{"digest":7},{"digest":"sha256:1","size":1}]}"#;
    let (looker, _) = server(&[(200, &[], list), NOTHING]).await;
    let publication = looker.publication("latest", Depth::Manifests).await.unwrap();
    let what: Vec<&str> = publication.missing.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["an entry of list", "manifest sha256:1"]);
}

#[tokio::test]
async fn nobody_there_is_trouble() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    drop(listener);
    let looker = Looker::new(Place::open("x", &format!("{host}/a")).unwrap()).unwrap();
    let error = looker.resolve("latest").await.unwrap_err();
    assert!(matches!(error, LookError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_ca_that_is_named_is_trusted_and_no_stranger() {
    use crate::{
        harness::{proxy::Proxy, tls::Authority},
        history::{Recorder, Service},
    };
    let registry = super::registry::Registry::start();
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = authority.server().unwrap();
    let proxy = Proxy::start_tls("x", Service::Registry, &Recorder::default(), server).await.unwrap();
    proxy.set_upstream(&registry.host);
    let folder = tempfile::tempdir().unwrap();
    let looker = |authority: &Authority| {
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        Looker::new(Place::open("x", &format!("{}/a", proxy.address())).unwrap().with_ca(ca)).unwrap()
    };
    assert_eq!(looker(&authority).resolve("latest").await.unwrap(), None);
    let error = looker(&stranger).resolve("latest").await.unwrap_err();
    assert!(matches!(error, LookError::Unreachable { .. }), "{error}");
    let missing = Looker::new(Place::open("x", "127.0.0.1:1/a").unwrap().with_ca("/nowhere".into())).unwrap_err();
    assert!(matches!(missing, LookError::Certificate { .. }), "{missing}");
}

/// The same registry for somebody else.
fn looker_for(script: &Script, user: &str, password: &str) -> Looker {
    Looker::new(Place::open("x", &format!("{}/a", script.host)).unwrap().with_credentials(user, password)).unwrap()
}

#[tokio::test]
async fn an_identity_token_is_changed_into_another_and_never_part_of_an_address() {
    let (_, script) = server(&[CHALLENGE, TOKEN, DIGEST]).await;
    let looker = looker_for(&script, crate::look::IDENTITY_TOKEN_USER, "hunter2");
    assert_eq!(looker.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(script.requests()[1], "POST /token");
}

#[tokio::test]
async fn a_password_goes_to_no_token_service_without_tls() {
    const ELSEWHERE: Scripted =
        (401, &[("www-authenticate", r#"Bearer realm="http://tokens.example/token",service="s""#)], "");
    let (_, script) = server(&[ELSEWHERE; 3]).await;
    let error = looker_for(&script, "user", "hunter2").resolve("latest").await.unwrap_err();
    assert!(matches!(error, LookError::InsecureRealm { .. }) && !error.to_string().contains("hunter2"), "{error}");
}
