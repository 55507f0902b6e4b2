//! Answers that a real registry gives rarely: challenges, errors, malformed documents.

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

use crate::client::{Client, ClientError, Depth, Repository};

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
async fn server(answers: &[Scripted]) -> (Client, Arc<Script>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let answers = Mutex::new(answers.iter().copied().collect());
    let script = Arc::new(Script { host: host.clone(), answers, requests: Mutex::default() });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    let repository = Repository::parse("x", &format!("{host}/a")).unwrap().with_credentials("user", "password");
    (Client::new(repository).unwrap(), script)
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
    let (client, script) = server(&[CHALLENGE, TOKEN, DIGEST, DIGEST, CHALLENGE, TOKEN, NOTHING]).await;
    assert_eq!(client.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(client.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(client.resolve("latest").await.unwrap(), None);
    let (asked, token) =
        ("HEAD /v2/a/manifests/latest", "GET /token?scope=repository%3Aa%3Apull&service=s Basic dXNlcjpwYXNzd29yZA==");
    let with_token = format!("{asked} Bearer opaque");
    let expected = [asked, token, &with_token, &with_token, &with_token, token, &with_token];
    assert_eq!(script.requests(), expected);
}

#[tokio::test]
async fn a_token_that_is_refused_is_an_answer() {
    let (client, _) = server(&[CHALLENGE, (403, &[], "no")]).await;
    let publication = client.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].status, Some(401));
}

#[rstest]
#[case::token_service_in_trouble(&[CHALLENGE, trouble(503), CHALLENGE, trouble(503), CHALLENGE, trouble(503)], "503")]
#[case::token_service_says_nonsense(&[CHALLENGE, (200, &[], "{}"), CHALLENGE, (200, &[], "x"), CHALLENGE, TOKEN, trouble(502)], "502")]
#[case::registry_in_trouble(&[trouble(500), trouble(502), trouble(503)], "503")]
#[case::too_many_requests(&[trouble(429), AT_ONCE, trouble(429)], "429")]
#[tokio::test]
async fn trouble_is_an_error(#[case] answers: &[Scripted], #[case] told: &str) {
    let (client, script) = server(answers).await;
    let error = client.publication("latest", Depth::Manifests).await.unwrap_err();
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(script.requests().len(), answers.len());
}

#[tokio::test]
async fn a_request_is_repeated_while_the_server_is_in_trouble() {
    let (client, _) = server(&[(503, &[("retry-after", "0")], ""), (429, &[("retry-after", "0")], ""), DIGEST]).await;
    assert_eq!(client.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
}

#[tokio::test]
async fn without_the_header_the_digest_is_computed() {
    let (client, script) = server(&[(200, &[], ""), (200, &[], "")]).await;
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(client.resolve("latest").await.unwrap().as_deref(), Some(empty));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_an_error_where_only_existence_matters() {
    let (client, _) = server(&[(403, &[], "no")]).await;
    let denied = client.resolve("latest").await.unwrap_err();
    assert!(matches!(denied, ClientError::Status { status: 403, .. }), "{denied}");
}

#[tokio::test]
async fn what_a_refusal_says_is_kept_short() {
    let (client, _) = server(&[(400, &[], include_str!("answers.rs"))]).await;
    let publication = client.publication("latest", Depth::Manifests).await.unwrap();
    let missing = &publication.missing[0];
    assert_eq!((missing.status, missing.cause.chars().count()), (Some(400), 300));
}

#[tokio::test]
async fn what_is_no_manifest_is_recorded() {
    let (client, _) = server(&[(200, &[], "<html>")]).await;
    let publication = client.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].cause, "neither a list nor an image");
}

#[tokio::test]
async fn what_a_registry_states_is_recorded_beside_what_the_bytes_say() {
    let stated = &[("docker-content-digest", "sha256:2"), ("content-type", "text/plain")];
    let (client, _) = server(&[(200, stated, r#"{"mediaType":"x","manifests":[]}"#)]).await;
    let root = client.publication("sha256:3", Depth::Manifests).await.unwrap().root.unwrap();
    assert_eq!((root.stated_digest.as_deref(), &*root.media_type), (Some("sha256:2"), "text/plain"));
    assert_eq!((root.digest, root.own_media_type.as_deref()), (root.raw.digest(), Some("x")));
}

#[tokio::test]
async fn malformed_entries_are_recorded_and_the_others_are_read() {
    let list = r#"{"manifests":[{"digest":7},{"digest":"sha256:1","size":1}]}"#;
    let (client, _) = server(&[(200, &[], list), NOTHING]).await;
    let publication = client.publication("latest", Depth::Manifests).await.unwrap();
    let what: Vec<&str> = publication.missing.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["an entry of list", "manifest sha256:1"]);
}

#[tokio::test]
async fn a_closed_port_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(Repository::parse("x", &format!("{host}/a")).unwrap()).unwrap();
    let error = client.resolve("latest").await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn only_the_named_ca_is_trusted() {
    use crate::{
        harness::{proxy::Proxy, tls::Authority},
        history::{Recorder, Service},
    };
    let registry = super::registry::Registry::start();
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = authority.server().unwrap();
    let proxy = Proxy::start_with("x", Service::Registry, &Recorder::default(), Some(server)).await.unwrap();
    proxy.set_upstream(&registry.host);
    let folder = tempfile::tempdir().unwrap();
    let client = |authority: &Authority| {
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        Client::new(Repository::parse("x", &format!("{}/a", proxy.address())).unwrap().with_ca(ca)).unwrap()
    };
    assert_eq!(client(&authority).resolve("latest").await.unwrap(), None);
    let error = client(&stranger).resolve("latest").await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    let missing = Client::new(Repository::parse("x", "127.0.0.1:1/a").unwrap().with_ca("/nowhere".into())).unwrap_err();
    assert!(matches!(missing, ClientError::Certificate { .. }), "{missing}");
}

/// A client of the same server with another account.
fn client_for(script: &Script, user: &str, password: &str) -> Client {
    Client::new(Repository::parse("x", &format!("{}/a", script.host)).unwrap().with_credentials(user, password))
        .unwrap()
}

#[tokio::test]
async fn an_identity_token_is_changed_into_another_and_never_part_of_an_address() {
    let (_, script) = server(&[CHALLENGE, TOKEN, DIGEST]).await;
    let client = client_for(&script, crate::client::IDENTITY_TOKEN_USER, "hunter2");
    assert_eq!(client.resolve("latest").await.unwrap().as_deref(), Some("sha256:1"));
    assert_eq!(script.requests()[1], "POST /token");
}

#[tokio::test]
async fn a_password_goes_to_no_token_service_without_tls() {
    const ELSEWHERE: Scripted =
        (401, &[("www-authenticate", r#"Bearer realm="http://tokens.example/token",service="s""#)], "");
    let (_, script) = server(&[ELSEWHERE; 3]).await;
    let error = client_for(&script, "user", "hunter2").resolve("latest").await.unwrap_err();
    assert!(matches!(error, ClientError::InsecureRealm { .. }) && !error.to_string().contains("hunter2"), "{error}");
}
