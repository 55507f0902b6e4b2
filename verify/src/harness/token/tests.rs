//! Tests: the token service as its clients see it. That registries believe its tokens is tested with the registries.

use std::time::Duration;

use reqwest::StatusCode;
use rstest::rstest;
use serde_json::Value;

use super::{Account, Refusal, Right, TokenService, TokenSettings};
use crate::harness::token::Access;

/// A password for these tests only.
const TEST_PASSWORD: &str = "only-for-tests";
/// A token for these tests only, good with any name.
const TEST_TOKEN: &str = "any-name-only-for-tests";
const SCOPE: &str = "repository:acme/hello:pull,push,delete";

async fn service() -> TokenService {
    let accounts = vec![
        Account::new("acme", TEST_PASSWORD, &[Right::on("acme/*", &["pull", "push"])]),
        Account::any_name(TEST_TOKEN, &[Right::on("acme/hello", &["delete"])]),
    ];
    let settings = TokenSettings {
        anonymous: vec![Right::on("acme/hello", &["pull"])],
        lifetime: Duration::from_secs(7),
        ..TokenSettings::new("registry.example", accounts)
    };
    TokenService::start(settings).await.unwrap()
}

fn http() -> reqwest::Client {
    // It never speaks TLS, but is not made without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn read(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

fn get(service: &TokenService, scopes: &[&str]) -> reqwest::RequestBuilder {
    let scopes: Vec<(&str, &str)> = scopes.iter().map(|scope| ("scope", *scope)).collect();
    http().get(service.url()).query(&[("service", "registry.example")]).query(&scopes)
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("service", "registry.example").append_pair("scope", SCOPE).extend_pairs(fields).finish()
}

/// Whether what was given is enough for a scope, as a registry sees it.
fn enough(service: &TokenService, given: &Value, scope: &str) -> Result<(), Refusal> {
    let authorization = format!("Bearer {}", given["token"].as_str().unwrap());
    service.auth("").check(Some(&authorization), &[Access::parse(scope).unwrap()])
}

#[rstest]
#[case::nobody(None, "repository:acme/hello:pull")]
#[case::somebody(Some(("acme", TEST_PASSWORD)), "repository:acme/hello:pull,push")]
#[case::any_name(Some(("whoever", TEST_TOKEN)), "repository:acme/hello:delete")]
#[tokio::test]
async fn a_part_of_what_is_asked_for_is_granted(#[case] who: Option<(&str, &str)>, #[case] expected: &str) {
    let service = service().await;
    let request = get(&service, &[SCOPE, "repository:other/hello:pull"]);
    let (status, given) = read(match who {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    })
    .await;
    assert_eq!((status, given["scope"].as_str()), (StatusCode::OK, Some(expected)));
    assert_eq!((given["expires_in"].as_u64(), &given["access_token"]), (Some(7), &given["token"]));
    assert_eq!(enough(&service, &given, expected), Ok(()));
    assert_eq!(enough(&service, &given, SCOPE), Err(Refusal::Insufficient));
}

#[tokio::test]
async fn who_is_granted_nothing_gets_a_token_for_nothing() {
    let service = service().await;
    let (status, given) = read(get(&service, &["repository:other/hello:pull"])).await;
    assert_eq!((status, given["scope"].as_str()), (StatusCode::OK, Some("")));
    assert_eq!(enough(&service, &given, "repository:other/hello:pull"), Err(Refusal::Insufficient));
}

#[rstest]
#[case::password("acme", "wrong")]
#[case::name("other", TEST_PASSWORD)]
#[case::nothing("", "")]
#[tokio::test]
async fn a_wrong_password_is_refused(#[case] name: &str, #[case] password: &str) {
    let service = service().await;
    let (status, said) = read(get(&service, &[SCOPE]).basic_auth(name, Some(password))).await;
    assert_eq!((status, said["token"].is_null()), (StatusCode::UNAUTHORIZED, true));
}

#[tokio::test]
async fn a_refresh_token_is_changed_into_others() {
    let service = service().await;
    let post = |fields: &[(&str, &str)]| read(http().post(service.url()).body(form(fields)));
    let login = [("grant_type", "password"), ("username", "acme"), ("password", TEST_PASSWORD)];
    let (status, given) = post(&login).await;
    assert_eq!((status, given["refresh_token"].is_null()), (StatusCode::OK, true), "nobody asked for one");
    let (_, given) = post(&[&login[..], &[("access_type", "offline")]].concat()).await;
    let refresh = given["refresh_token"].as_str().unwrap();
    let (status, given) = post(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((status, given["scope"].as_str()), (StatusCode::OK, Some("repository:acme/hello:pull,push")));
    let (status, _) = post(&[("grant_type", "refresh_token"), ("refresh_token", "other")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[rstest]
#[case::another_service("/token?service=other.example", StatusCode::BAD_REQUEST)]
#[case::no_service("/token", StatusCode::BAD_REQUEST)]
#[case::another_path("/tokens?service=registry.example", StatusCode::NOT_FOUND)]
#[tokio::test]
async fn what_makes_no_sense_is_refused(#[case] path: &str, #[case] expected: StatusCode) {
    let service = service().await;
    assert_eq!(read(http().get(format!("http://{}{path}", service.address()))).await.0, expected);
}
