//! Tests: the token service as its clients see it. That registries believe its tokens is tested with the registries.

use reqwest::{RequestBuilder, StatusCode};
use rstest::rstest;
use serde_json::Value;

use super::{Access, Account, TokenService};
use crate::harness::registry::tests::http;

/// A password for these tests only.
const TEST_PASSWORD: &str = "only-for-tests";
/// A token for these tests only, good with any name.
const TEST_TOKEN: &str = "any-name-only-for-tests";
const SCOPE: &str = "repository:acme/hello:pull,push,delete";

async fn service() -> TokenService {
    let account = |name: Option<&str>, password: &str, right| Account {
        name: name.map(str::to_owned),
        password: password.to_owned(),
        rights: vec![right],
    };
    let accounts = vec![
        account(Some("acme"), TEST_PASSWORD, Access::repository("acme/*", &["pull", "push"])),
        account(None, TEST_TOKEN, Access::repository("acme/hello", &["delete"])),
    ];
    TokenService::start("registry.example", accounts, &[Access::repository("acme/hello", &["pull"])]).await.unwrap()
}

async fn read(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

fn get(service: &TokenService, query: &str) -> RequestBuilder {
    http().get(format!("http://{}{query}", service.address()))
}

#[rstest]
#[case::anonymous(None, "repository:acme/hello:pull")]
#[case::account(Some(("acme", TEST_PASSWORD)), "repository:acme/hello:pull,push")]
#[case::any_name(Some(("whoever", TEST_TOKEN)), "repository:acme/hello:delete")]
#[tokio::test]
async fn a_part_of_what_is_asked_for_is_granted(#[case] login: Option<(&str, &str)>, #[case] expected: &str) {
    let service = service().await;
    for scopes in [format!("{SCOPE}&scope=repository:other/hello:pull"), format!("{SCOPE}%20repository:other:pull")] {
        let mut request = get(&service, &format!("/token?service=registry.example&scope={scopes}"));
        if let Some((name, password)) = login {
            request = request.basic_auth(name, Some(password));
        }
        let (status, given) = read(request).await;
        assert_eq!((status, given["scope"].as_str()), (StatusCode::OK, Some(expected)));
        assert_eq!((given["expires_in"].as_u64(), &given["access_token"]), (Some(300), &given["token"]));
    }
}

#[rstest]
#[case::password("acme", "wrong")]
#[case::name("other", TEST_PASSWORD)]
#[case::nothing("", "")]
#[tokio::test]
async fn a_wrong_login_is_refused(#[case] name: &str, #[case] password: &str) {
    let service = service().await;
    let request = get(&service, "/token?service=registry.example").basic_auth(name, Some(password));
    let (status, said) = read(request).await;
    assert_eq!((status, said["token"].is_null()), (StatusCode::UNAUTHORIZED, true));
}

#[tokio::test]
async fn a_login_may_be_a_form() {
    let service = service().await;
    let post = |fields: &str| {
        let form = format!("service=registry.example&scope={SCOPE}&{fields}");
        read(http().post(format!("http://{}/token", service.address())).body(form))
    };
    let (status, given) = post(&format!("grant_type=password&username=acme&password={TEST_PASSWORD}")).await;
    assert_eq!((status, given["scope"].as_str()), (StatusCode::OK, Some("repository:acme/hello:pull,push")));
    assert_eq!(post("grant_type=password&username=acme&password=wrong").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(post("grant_type=client_credentials").await.0, StatusCode::BAD_REQUEST);
}

#[rstest]
#[case::another_service("/token?service=other.example", StatusCode::BAD_REQUEST)]
#[case::no_service("/token", StatusCode::BAD_REQUEST)]
#[case::another_path("/tokens?service=registry.example", StatusCode::NOT_FOUND)]
#[tokio::test]
async fn malformed_requests_are_refused(#[case] path: &str, #[case] expected: StatusCode) {
    assert_eq!(read(get(&service().await, path)).await.0, expected);
}

#[tokio::test]
async fn only_basic_authentication_is_understood() {
    let service = service().await;
    let request = get(&service, "/token?service=registry.example").bearer_auth("token");
    assert_eq!(read(request).await.0, StatusCode::BAD_REQUEST);
}
