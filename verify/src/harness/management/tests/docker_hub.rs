//! Every documented status, the pages, and what a deletion deletes.

use hyper::StatusCode;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Client, REPOSITORY, Sample, put};
use crate::harness::management::{
    StandIn,
    docker_hub::{refusal, start},
};

const TAGS: &str = "/v2/namespaces/acme/repositories/hello/tags";
const SECRET: &str = "dckr_pat_deletes";

async fn started(sample: &Sample) -> (StandIn, Client) {
    let hub = start(sample.storage.clone(), "acme", SECRET).await.unwrap();
    let client = Client { address: hub.address(), authorization: None };
    (hub, client)
}

async fn logged_in(sample: &Sample) -> (StandIn, Client) {
    let (hub, client) = started(sample).await;
    let body = json!({ "identifier": "acme", "secret": SECRET });
    let token = client.send(Method::POST, "/v2/auth/token", Some(body)).await.body["access_token"].clone();
    (hub, Client { authorization: Some(format!("Bearer {}", token.as_str().unwrap())), ..client })
}

#[rstest]
#[case::token("/v2/auth/token", json!({ "identifier": "acme", "secret": SECRET }), 200, "access_token")]
#[case::login("/v2/users/login", json!({ "username": "acme", "password": SECRET }), 200, "token")]
#[case::slash("/v2/users/login/", json!({ "username": "acme", "password": SECRET }), 200, "token")]
#[case::wrong("/v2/auth/token", json!({ "identifier": "acme", "secret": "wrong" }), 401, "detail")]
#[case::nobody("/v2/auth/token", json!({ "identifier": "nobody", "secret": SECRET }), 401, "detail")]
#[case::old_names("/v2/auth/token", json!({ "username": "acme", "password": SECRET }), 400, "detail")]
#[tokio::test]
async fn logging_in(#[case] path: &str, #[case] body: Value, #[case] status: u16, #[case] field: &str) {
    let (_hub, client) = started(&Sample::new()).await;
    let reply = client.send(Method::POST, path, Some(body)).await;
    assert_eq!((reply.status, &reply.headers["content-type"]), (status, &"application/json".parse().unwrap()));
    assert!(reply.body[field].as_str().is_some_and(|text| !text.is_empty()), "{}", reply.body);
}

#[rstest]
#[case::anonymous_read(None, Method::GET, TAGS, 200)]
#[case::raw_pat(Some(SECRET), Method::GET, TAGS, 401)]
#[case::raw_pat_deletes(Some(SECRET), Method::DELETE, "/v2/repositories/acme/hello/tags/latest/", 401)]
#[case::anonymous_delete(None, Method::DELETE, "/v2/repositories/acme/hello/tags/latest/", 401)]
#[case::other_repository(None, Method::GET, "/v2/namespaces/acme/repositories/other/tags", 404)]
#[case::older_path(None, Method::GET, "/v2/repositories/acme/hello/tags/?page_size=1", 200)]
#[case::page_behind_the_last(None, Method::GET, "/v2/repositories/acme/hello/tags?page=2", 404)]
#[case::one_tag(None, Method::GET, "/v2/repositories/acme/hello/tags/latest", 200)]
#[case::head_of_one_tag(None, Method::HEAD, "/v2/repositories/acme/hello/tags/latest", 200)]
#[case::no_such_tag(None, Method::GET, "/v2/repositories/acme/hello/tags/2.0.0", 404)]
#[case::no_put(None, Method::PUT, "/v2/repositories/acme/hello/tags/latest", 405)]
#[case::elsewhere(None, Method::GET, "/v2/elsewhere", 404)]
#[tokio::test]
async fn who_may_ask_for_what(
    #[case] token: Option<&str>,
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: u16,
) {
    let sample = Sample::new();
    let (_hub, mut client) = started(&sample).await;
    client.authorization = token.map(|token| format!("Bearer {token}"));
    assert_eq!(client.send(method, path, None).await.status, status);
    assert_eq!(sample.tags().len(), 2);
}

#[rstest]
#[case("/v2/repositories/acme/hello/tags/latest/")]
#[case("/v2/namespaces/acme/repositories/hello/tags/latest")]
#[tokio::test]
async fn a_tag_is_deleted_and_nothing_else(#[case] path: &str) {
    let sample = Sample::new();
    let before = sample.manifests();
    let (_hub, client) = logged_in(&sample).await;
    assert_eq!([client.delete(path).await.status, client.delete(path).await.status], [204, 404]);
    assert_eq!((sample.tags(), sample.manifests()), (vec!["1.0.0".to_owned()], before));
}

#[tokio::test]
async fn a_tag_has_all_documented_fields() {
    let sample = Sample::new();
    let (_hub, client) = started(&sample).await;
    let tag = client.get(&format!("{TAGS}/latest")).await.body;
    assert_eq!((&tag["name"], &tag["digest"]), (&json!("latest"), &json!(sample.latest)));
    assert_eq!(tag["tag_status"], "active");
    assert!(humantime::parse_rfc3339(tag["tag_last_pushed"].as_str().unwrap()).is_ok());
    let image = &tag["images"][0];
    assert_eq!((&image["digest"], &image["architecture"]), (&json!(sample.shared), &json!("amd64")));
}

#[tokio::test]
async fn the_last_pushed_tag_is_listed_first() {
    let sample = Sample::new();
    let (_hub, client) = started(&sample).await;
    assert_eq!(client.get(TAGS).await.all("name"), ["1.0.0", "latest"]);
    put(&sample.storage, REPOSITORY, &json!({ "moved": true }), &["latest"]);
    assert_eq!(client.get(TAGS).await.all("name"), ["latest", "1.0.0"]);
}

#[tokio::test]
async fn all_pages_together_list_every_tag_once() {
    let sample = Sample::new();
    for number in 0..25 {
        put(&sample.storage, REPOSITORY, &json!({ "number": number }), &[&format!("0.{number}")]);
    }
    let (_hub, client) = started(&sample).await;
    assert_eq!(client.get(TAGS).await.all("name").len(), 10);
    let (mut names, mut next) = (Vec::new(), Some(format!("{TAGS}?page_size=7")));
    while let Some(address) = next {
        let page = client.get(&address).await;
        names.extend(page.all("name").into_iter().map(str::to_owned));
        next = page.body["next"].as_str().map(str::to_owned);
    }
    names.sort();
    assert_eq!(names, sample.tags());
}

#[test]
fn the_registry_host_keeps_manifests_that_a_tag_or_a_list_needs() {
    let sample = Sample::new();
    let status = |digest: &str| refusal(&sample.storage, REPOSITORY, digest).unwrap().map(|answer| answer.status);
    assert_eq!([status(&sample.latest), status(&sample.shared)], [Some(StatusCode::FORBIDDEN); 2]);
    assert_eq!(status("sha256:0"), None, "the registry says that it is not there");
    sample.storage.remove_tag(REPOSITORY, "latest").unwrap();
    assert_eq!(status(&sample.latest), None);
}
