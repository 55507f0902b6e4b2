//! Every documented status, the pages, and what a deletion deletes.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::{HeaderMap, Method};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    super::{
        message::Request,
        testing::{Client, Memory, REPOSITORY, Sample},
    },
    *,
};
use crate::harness::contents::Contents as _;

const TAGS: &str = "/v2/namespaces/acme/repositories/hello/tags";
const DELETES: &str = "dckr_pat_deletes";
const READS: &str = "dckr_pat_reads";

fn settings() -> HubSettings {
    let account =
        |secret: &str, may_delete| HubAccount { identifier: "acme".into(), secret: secret.into(), may_delete };
    HubSettings { accounts: vec![account(DELETES, true), account(READS, false)], ..HubSettings::default() }
}

/// A stand-in before the sample, and somebody who has logged in.
async fn logged_in(sample: &Sample, secret: &str, settings: HubSettings) -> (DockerHub, Client) {
    let hub = DockerHub::start(sample.behind(), settings).await.unwrap();
    let client = Client::new(hub.address());
    let body = json!({ "identifier": "acme", "secret": secret });
    let token = client.ask(Method::POST, "/v2/auth/token", Some(body)).await.body["access_token"].clone();
    (hub, client.with(&format!("Bearer {}", token.as_str().unwrap())))
}

#[rstest]
#[case::token("/v2/auth/token", json!({ "identifier": "acme", "secret": DELETES }), 200, "access_token")]
#[case::login("/v2/users/login", json!({ "username": "acme", "password": DELETES }), 200, "token")]
#[case::slash("/v2/users/login/", json!({ "username": "acme", "password": DELETES }), 200, "token")]
#[case::wrong("/v2/auth/token", json!({ "identifier": "acme", "secret": "wrong" }), 401, "detail")]
#[case::nobody("/v2/auth/token", json!({ "identifier": "nobody", "secret": DELETES }), 401, "detail")]
#[case::wrong_login("/v2/users/login", json!({ "username": "acme", "password": "" }), 401, "detail")]
#[case::old_names("/v2/auth/token", json!({ "username": "acme", "password": DELETES }), 400, "detail")]
#[tokio::test]
async fn logging_in(#[case] path: &str, #[case] body: Value, #[case] status: u16, #[case] told: &str) {
    let hub = DockerHub::start(Sample::new().behind(), settings()).await.unwrap();
    let reply = Client::new(hub.address()).ask(Method::POST, path, Some(body)).await;
    assert_eq!(reply.status, status);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.body[told].as_str().is_some_and(|text| !text.is_empty()), "{}", reply.body);
}

#[rstest]
#[case::anonymous_read(None, Method::GET, TAGS, 200)]
#[case::raw_pat(Some(DELETES), Method::GET, TAGS, 401)]
#[case::raw_pat_deletes(Some(DELETES), Method::DELETE, "/v2/repositories/acme/hello/tags/latest/", 401)]
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
    let hub = DockerHub::start(sample.behind(), settings()).await.unwrap();
    let mut client = Client::new(hub.address());
    client.authorization = token.map(|token| format!("Bearer {token}"));
    assert_eq!(client.ask(method, path, None).await.status, status);
    assert_eq!(sample.contents.tags(REPOSITORY).unwrap().len(), 2);
}

#[tokio::test]
async fn an_access_token_grows_old() {
    let settings = HubSettings { token_lifetime: Duration::ZERO, ..settings() };
    let (_hub, client) = logged_in(&Sample::new(), DELETES, settings).await;
    assert_eq!(client.get(TAGS).await.status, 401);
}

#[rstest]
#[case("/v2/repositories/acme/hello/tags/latest/")]
#[case("/v2/namespaces/acme/repositories/hello/tags/latest")]
#[tokio::test]
async fn a_tag_goes_and_nothing_else(#[case] path: &str) {
    let sample = Sample::new();
    let before = sample.contents.digests();
    let (_hub, client) = logged_in(&sample, DELETES, settings()).await;
    assert_eq!(client.delete(path).await.status, 204);
    let left = BTreeMap::from([("1.0.0".to_owned(), sample.release.clone())]);
    assert_eq!(sample.contents.tags(REPOSITORY).unwrap(), left);
    assert_eq!(sample.contents.digests(), before);
    assert_eq!(client.delete(path).await.status, 404);
}

#[tokio::test]
async fn a_token_without_the_right_deletes_nothing() {
    let sample = Sample::new();
    let (_hub, client) = logged_in(&sample, READS, settings()).await;
    let reply = client.delete(&format!("{TAGS}/latest")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.message()),
        (403, "access is forbidden with a JWT issued from a personal access token")
    );
    assert_eq!(sample.contents.tags(REPOSITORY).unwrap().len(), 2);
}

#[tokio::test]
async fn an_immutable_tag_stays() {
    let sample = Sample::new();
    let settings = HubSettings { immutable: ["1.0.0".to_owned()].into(), ..settings() };
    let (_hub, client) = logged_in(&sample, DELETES, settings).await;
    assert_eq!(client.delete(&format!("{TAGS}/1.0.0")).await.status, 403);
    assert_eq!(client.delete(&format!("{TAGS}/latest")).await.status, 204);
    assert!(sample.contents.tags(REPOSITORY).unwrap().contains_key("1.0.0"));
}

#[tokio::test]
async fn a_deletion_fails_as_often_as_told() {
    let sample = Sample::new();
    let (hub, client) = logged_in(&sample, DELETES, settings()).await;
    hub.fail_deletions(1);
    assert_eq!(client.delete(&format!("{TAGS}/latest")).await.status, 500);
    assert_eq!(sample.contents.tags(REPOSITORY).unwrap().len(), 2);
    assert_eq!(client.delete(&format!("{TAGS}/latest")).await.status, 204);
}

#[tokio::test]
async fn a_rate_limit_tells_when_it_ends() {
    let (hub, client) = logged_in(&Sample::new(), DELETES, settings()).await;
    let told = Duration::from_secs(30);
    hub.limit_rate(told);
    let reply = client.get(TAGS).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let until: u64 = reply.header("x-retry-after").unwrap().parse().unwrap();
    assert_eq!(reply.status, 429);
    assert!((now + 1..=now + 31).contains(&until), "{until} is not soon after {now}");
    hub.limit_rate(Duration::ZERO);
    let mut status = client.get(TAGS).await;
    while status.status == 429 {
        // At most until the second has ended.
        tokio::task::yield_now().await;
        status = client.get(TAGS).await;
    }
    assert_eq!(status.status, 200);
}

#[tokio::test]
async fn an_entry_tells_what_is_behind_a_tag() {
    let sample = Sample::new();
    let (_hub, client) = logged_in(&sample, READS, settings()).await;
    let entry = client.get(&format!("{TAGS}/latest")).await.body;
    assert_eq!(entry["name"], "latest");
    assert_eq!(entry["digest"], *sample.latest);
    assert_eq!(entry["media_type"], "application/vnd.docker.distribution.manifest.list.v2+json");
    assert_eq!(entry["tag_status"], "active");
    assert_eq!(entry["full_size"], 2 * 1007);
    assert!(humantime::parse_rfc3339(entry["tag_last_pushed"].as_str().unwrap()).is_ok());
    assert_eq!(entry["images"][0]["digest"], *sample.shared);
    assert_eq!(entry["images"][0]["architecture"], "amd64");
    assert_eq!(entry["images"][1]["architecture"], "arm64");
    assert_eq!(entry["images"][1]["os"], "linux");
    assert_eq!(entry["images"][1]["size"], 1007);
}

#[tokio::test]
async fn the_digest_can_be_left_out() {
    let settings = HubSettings { tells_digests: false, ..settings() };
    let (_hub, client) = logged_in(&Sample::new(), READS, settings).await;
    let page = client.get(TAGS).await.body;
    assert_eq!(page["count"], 2);
    assert!(page["results"].as_array().unwrap().iter().all(|entry| entry.get("digest").is_none()));
}

#[tokio::test]
async fn a_tag_that_moved_stands_first() {
    let sample = Sample::new();
    let (_hub, client) = logged_in(&sample, READS, settings()).await;
    assert_eq!(client.get(TAGS).await.all("name"), ["1.0.0", "latest"]);
    sample.contents.tag(REPOSITORY, "latest", &sample.release);
    assert_eq!(client.get(TAGS).await.all("name"), ["latest", "1.0.0"]);
}

#[tokio::test]
async fn pages_lead_to_each_other_and_read_only_what_they_show() {
    let sample = Sample::new();
    (0..2_000).for_each(|number| sample.contents.tag(REPOSITORY, &format!("0.{number}"), &sample.shared));
    let (_hub, client) = logged_in(&sample, READS, settings()).await;
    let first = client.get(TAGS).await.body;
    assert_eq!((first["results"].as_array().unwrap().len(), &first["count"]), (10, &json!(2_002)));
    let before = sample.contents.reads.load(Ordering::Relaxed);
    let mut next = Some(format!("{TAGS}?page_size=1000"));
    let mut names = Vec::new();
    let mut last = Value::Null;
    while let Some(address) = next {
        let page = client.get(&address).await;
        names.extend(page.all("name").into_iter().map(str::to_owned));
        next = page.body["next"].as_str().map(str::to_owned);
        last = page.body;
    }
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 2_002);
    assert_eq!(names.len(), 2_002);
    let previous = last["previous"].as_str().unwrap();
    assert_eq!(client.get(previous).await.body["results"].as_array().unwrap().len(), 100);
    let reads = sample.contents.reads.load(Ordering::Relaxed) - before;
    assert!(reads <= 3 * 2_102, "{reads} manifests were read");
}

#[tokio::test]
async fn storage_that_cannot_be_read_is_trouble() {
    let hub = DockerHub::start(Memory::broken(), settings()).await.unwrap();
    assert_eq!(Client::new(hub.address()).get(TAGS).await.status, 500);
    assert_eq!(hub.trouble(), [format!("GET {TAGS}: the disk is gone")]);
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let (hub, client) = logged_in(&Sample::new(), READS, settings()).await;
    let address = hub.address();
    assert_eq!(client.get(TAGS).await.status, 200);
    drop(hub);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[case::tagged(|sample: &Sample| sample.latest.clone(), ManifestDeletion::Tagged, 403)]
#[case::referenced(|sample: &Sample| sample.shared.clone(), ManifestDeletion::Referenced, 403)]
#[case::by_tag(|_: &Sample| "latest".to_owned(), ManifestDeletion::ByTag, 405)]
#[case::absent(|_: &Sample| format!("sha256:{:064}", 0), ManifestDeletion::Absent, 404)]
#[case::untagged(untagged, ManifestDeletion::Accepted, 202)]
#[tokio::test]
async fn a_manifest_is_deleted_only_if_nothing_needs_it(
    #[case] which: fn(&Sample) -> String,
    #[case] expected: ManifestDeletion,
    #[case] status: u16,
) {
    let sample = Sample::new();
    let reference = which(&sample);
    let hub = DockerHub::start(sample.behind(), settings()).await.unwrap();
    let deletion = hub.manifest_deletion(REPOSITORY, &reference).unwrap();
    assert_eq!((deletion, deletion.status()), (expected, status));
    assert_eq!(deletion.body().is_none(), status == 202);

    let never = HubSettings { deletes_manifests: false, ..settings() };
    let hub = DockerHub::start(sample.behind(), never).await.unwrap();
    let deletion = hub.manifest_deletion(REPOSITORY, &reference).unwrap();
    assert_eq!((deletion, deletion.status()), (ManifestDeletion::Unsupported, 405));
}

fn untagged(sample: &Sample) -> String {
    sample.contents.remove_tag(REPOSITORY, "latest").unwrap();
    sample.latest.clone()
}

proptest! {
    #[test]
    fn all_tags_are_shown_once(count in 1_usize..60, size in 1_usize..30) {
        let sample = Sample::new();
        (0..count).for_each(|number| sample.contents.tag(REPOSITORY, &format!("0.{number}"), &sample.shared));
        let state = stand_in::State::new(sample.behind(), settings());
        let mut names = Vec::new();
        let mut address = Some(format!("http://here{TAGS}?page_size={size}"));
        while let Some(next) = address {
            let path = next.strip_prefix("http://here").unwrap_or(&next).parse().unwrap();
            let headers = HeaderMap::from_iter([("host".parse().unwrap(), "here".parse().unwrap())]);
            let page = state.answer(&Request::new(Method::GET, &path, &headers, b"")).unwrap().body.unwrap();
            let results = page["results"].as_array().unwrap();
            names.extend(results.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
            address = page["next"].as_str().map(str::to_owned);
        }
        let mut expected: Vec<String> = sample.contents.tags(REPOSITORY).unwrap().into_keys().collect();
        names.sort();
        expected.sort();
        prop_assert_eq!(names, expected);
    }
}
