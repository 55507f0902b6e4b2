//! Every documented status and header, the pages, what a deletion deletes, and how listings lag.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::{HeaderMap, Method};
use proptest::prelude::*;
use rstest::rstest;

use super::{
    super::{
        message::Request,
        testing::{Client, Memory, REPOSITORY, Reply, Sample},
    },
    *,
};
use crate::harness::contents::Contents as _;

const PACKAGE: &str = "/orgs/acme/packages/container/hello";
const VERSIONS: &str = "/orgs/acme/packages/container/hello/versions";
const WORKFLOW: &str = "token ghs_workflow";
const POOR_WORKFLOW: &str = "Bearer ghs_poor";
const PERSON: &str = "Bearer ghp_person";
const POOR_PERSON: &str = "Bearer ghp_poor";

fn settings() -> GitHubSettings {
    let person = || TokenKind::Classic { login: "acme".into() };
    let token = |secret: &str, kind, may_delete| GitHubToken { secret: secret.into(), kind, may_delete };
    let tokens = vec![
        token("ghs_workflow", TokenKind::Workflow, true),
        token("ghs_poor", TokenKind::Workflow, false),
        token("ghp_person", person(), true),
        token("ghp_poor", person(), false),
    ];
    GitHubSettings { tokens, ..GitHubSettings::default() }
}

async fn started(sample: &Sample, settings: GitHubSettings) -> (GitHub, Client) {
    let github = GitHub::start(sample.behind(), settings).await.unwrap();
    let client = Client::new(github.address()).with(WORKFLOW);
    (github, client)
}

fn restoring(sample: &Sample) -> GitHubSettings {
    let contents = Arc::clone(&sample.contents);
    let restore: Restore = Arc::new(move |repository, version| {
        contents.restore(repository, &version.digest, &version.manifest, &version.tags);
        Ok(())
    });
    GitHubSettings { restore: Some(restore), ..settings() }
}

fn version(digest: &str) -> String {
    format!("{VERSIONS}/{}", version_id(REPOSITORY, digest))
}

fn tags(reply: &Reply) -> Vec<(String, Vec<String>)> {
    let of = |version: &serde_json::Value| {
        let tags = version["metadata"]["container"]["tags"].as_array().unwrap();
        let tags = tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
        (version["name"].as_str().unwrap().to_owned(), tags)
    };
    reply.body.as_array().unwrap().iter().map(of).filter(|(_, tags): &(_, Vec<_>)| !tags.is_empty()).collect()
}

#[rstest]
#[case::workflow(Some(WORKFLOW), Owner::Organization, PACKAGE, 200, "")]
#[case::person(Some(PERSON), Owner::Organization, PACKAGE, 200, "")]
#[case::reading_needs_no_more(Some(POOR_WORKFLOW), Owner::Organization, VERSIONS, 200, "")]
#[case::nobody(None, Owner::Organization, PACKAGE, 401, "Requires authentication")]
#[case::unknown_token(Some("Bearer x"), Owner::Organization, PACKAGE, 401, "Bad credentials")]
#[case::basic(Some("Basic ghs_workflow"), Owner::Organization, PACKAGE, 401, "Requires authentication")]
#[case::wrong_kind(Some(WORKFLOW), Owner::Organization, "/users/acme/packages/container/hello", 404, "Not Found")]
#[case::organization_of_a_person(Some(WORKFLOW), Owner::Person, PACKAGE, 404, "Not Found")]
#[case::of_a_person(Some(WORKFLOW), Owner::Person, "/users/acme/packages/container/hello", 200, "")]
#[case::own(Some(PERSON), Owner::Person, "/user/packages/container/hello", 200, "")]
#[case::own_versions(Some(PERSON), Owner::Person, "/user/packages/container/hello/versions", 200, "")]
#[case::workflow_is_nobody(
    Some(WORKFLOW),
    Owner::Person,
    "/user/packages/container/hello",
    403,
    "Resource not accessible by integration"
)]
#[case::absent(Some(WORKFLOW), Owner::Organization, "/orgs/acme/packages/container/other", 404, "Package not found.")]
#[case::encoded(Some(WORKFLOW), Owner::Organization, "/orgs/acme/packages/container/deep%2Fhello", 200, "")]
#[case::encoded_in_lower_case(
    Some(WORKFLOW),
    Owner::Organization,
    "/orgs/acme/packages/container/deep%2fhello",
    200,
    ""
)]
#[case::not_encoded(
    Some(WORKFLOW),
    Owner::Organization,
    "/orgs/acme/packages/container/deep/hello",
    404,
    "Package not found."
)]
#[case::no_version(
    Some(WORKFLOW),
    Owner::Organization,
    "/orgs/acme/packages/container/hello/versions/1",
    404,
    "Package not found."
)]
#[case::other_type(Some(WORKFLOW), Owner::Organization, "/orgs/acme/packages/npm/hello", 404, "Not Found")]
#[tokio::test]
async fn who_may_read_what(
    #[case] token: Option<&str>,
    #[case] owner: Owner,
    #[case] path: &str,
    #[case] status: u16,
    #[case] message: &str,
) {
    let sample = Sample::new();
    sample.contents.image("acme/deep/hello", "deep");
    let (_github, mut client) = started(&sample, GitHubSettings { owner, ..settings() }).await;
    client.authorization = token.map(str::to_owned);
    let reply = client.get(path).await;
    assert_eq!((reply.status.as_u16(), reply.message()), (status, message));
    assert_eq!(reply.header("x-ratelimit-remaining").is_some(), status != 401);
}

#[rstest]
#[case::workflow(POOR_WORKFLOW, "Resource not accessible by integration")]
#[case::person(POOR_PERSON, "You need at least delete:packages scope to delete a package version.")]
#[tokio::test]
async fn a_token_without_the_right_deletes_and_restores_nothing(#[case] token: &str, #[case] message: &str) {
    let sample = Sample::new();
    let before = sample.contents.digests();
    let (_github, client) = started(&sample, restoring(&sample)).await;
    let client = client.with(token);
    let id = version(&sample.latest);
    for reply in [
        client.delete(&id).await,
        client.delete(PACKAGE).await,
        client.post(&format!("{id}/restore")).await,
        client.post(&format!("{PACKAGE}/restore")).await,
    ] {
        assert_eq!((reply.status.as_u16(), reply.message()), (403, message));
    }
    assert_eq!(sample.contents.digests(), before);
}

#[tokio::test]
async fn a_version_goes_with_all_its_tags_and_nothing_protects_children() {
    let sample = Sample::new();
    sample.contents.tag(REPOSITORY, "main", &sample.latest);
    let (_github, client) = started(&sample, settings()).await;
    assert_eq!(client.delete(&version(&sample.latest)).await.status, 204);
    assert_eq!(sample.contents.tags(REPOSITORY).unwrap().into_keys().collect::<Vec<_>>(), ["1.0.0"]);
    assert_eq!(client.delete(&version(&sample.shared)).await.status, 204);
    let left = sample.contents.digests();
    assert!(left.contains(&sample.release) && !left.contains(&sample.shared));
    let reply = client.delete(&version(&sample.latest)).await;
    assert_eq!((reply.status.as_u16(), reply.message()), (404, "Package not found."));
}

#[tokio::test]
async fn the_last_tagged_version_stays() {
    let sample = Sample::new();
    let (_github, client) = started(&sample, settings()).await;
    assert_eq!(client.delete(&version(&sample.latest)).await.status, 204);
    let reply = client.delete(&version(&sample.release)).await;
    let message = "You cannot delete the last tagged version of a package. You must delete the package instead.";
    assert_eq!((reply.status.as_u16(), reply.message()), (400, message));
    assert_eq!(reply.body["status"], "400");
    assert_eq!(client.delete(&version(&sample.shared)).await.status, 204, "untagged ones may go");
}

#[tokio::test]
async fn the_last_version_stays() {
    let sample = Sample::new();
    let lone = sample.contents.image("acme/lone", "lone");
    let (_github, client) = started(&sample, settings()).await;
    let path = format!("/orgs/acme/packages/container/lone/versions/{}", version_id("acme/lone", &lone));
    let reply = client.delete(&path).await;
    let message = "You cannot delete the last version of a package. You must delete the package instead.";
    assert_eq!((reply.status.as_u16(), reply.message()), (400, message));
}

#[rstest]
#[case(5_000, true, 204)]
#[case(5_001, true, 400)]
#[case(5_001, false, 204)]
#[tokio::test]
async fn what_many_have_downloaded_stays(#[case] times: u32, #[case] public: bool, #[case] status: u16) {
    let sample = Sample::new();
    let (github, client) = started(&sample, GitHubSettings { public, ..settings() }).await;
    github.set_downloads(REPOSITORY, &sample.latest, times);
    let reply = client.delete(&version(&sample.latest)).await;
    assert_eq!(reply.status, status);
    if status == 400 {
        let message = "Publicly visible package versions with more than 5000 downloads cannot be deleted. Contact \
                       GitHub support for further assistance.";
        assert_eq!(reply.message(), message);
        assert_eq!(client.delete(PACKAGE).await.status, 400);
    }
}

#[tokio::test]
async fn a_version_is_told_wholly() {
    let sample = Sample::new();
    sample.contents.tag(REPOSITORY, "main", &sample.latest);
    let (github, client) = started(&sample, settings()).await;
    let version = client.get(&version(&sample.latest)).await.body;
    let id = version_id(REPOSITORY, &sample.latest);
    assert_eq!(version["id"], id);
    assert_eq!(version["name"], *sample.latest);
    assert_eq!(version["url"], format!("http://{}{VERSIONS}/{id}", github.address()));
    assert_eq!(version["html_url"], format!("https://github.com{PACKAGE}/{id}"));
    assert!(humantime::parse_rfc3339(version["created_at"].as_str().unwrap()).is_ok());
    assert_eq!(version["metadata"]["package_type"], "container");
    assert_eq!(version["metadata"]["container"]["tags"], serde_json::json!(["latest", "main"]));
    let package = client.get(PACKAGE).await.body;
    assert_eq!((&package["name"], &package["version_count"]), (&"hello".into(), &5.into()));
}

#[tokio::test]
async fn what_came_last_is_listed_first() {
    let sample = Sample::new();
    let (_github, client) = started(&sample, settings()).await;
    let new = sample.contents.image(REPOSITORY, "newest");
    let listed = client.get(VERSIONS).await;
    assert_eq!(listed.all("name")[0], new);
    assert_eq!(listed.all("name").len(), 6);
    assert_eq!(listed.header("link"), None);
}

#[tokio::test]
async fn two_thousand_versions_are_listed_without_reading_any() {
    let sample = Sample::new();
    (0..2_000).for_each(|number| drop(sample.contents.image(REPOSITORY, &number.to_string())));
    let (_github, client) = started(&sample, settings()).await;
    assert_eq!(client.get(VERSIONS).await.all("name").len(), 30);
    let (mut names, mut next) = (Vec::new(), Some(format!("{VERSIONS}?per_page=1000")));
    while let Some(address) = next {
        let page = client.get(&address).await;
        names.extend(page.all("name").into_iter().map(str::to_owned));
        let links = page.header("link").unwrap().to_owned();
        next = links.split(", ").find_map(|link| Some(link.strip_suffix(">; rel=\"next\"")?[1..].to_owned()));
        assert_eq!(next.is_some(), links.contains("rel=\"last\""));
    }
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), sample.contents.digests());
    assert_eq!(sample.contents.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn links_keep_what_was_asked() {
    let sample = Sample::new();
    let (github, client) = started(&sample, settings()).await;
    let page = client.get(&format!("{VERSIONS}?per_page=2&state=active&page=2")).await;
    let link = |number: usize, name: &str| {
        format!("<http://{}{VERSIONS}?page={number}&per_page=2&state=active>; rel=\"{name}\"", github.address())
    };
    let links = [link(1, "prev"), link(3, "next"), link(3, "last"), link(1, "first")].join(", ");
    assert_eq!(page.header("link"), Some(links.as_str()));
    assert!(client.get(&format!("{VERSIONS}?page=9")).await.all("name").is_empty());
}

#[tokio::test]
async fn a_deleted_version_is_listed_apart_and_comes_back() {
    let sample = Sample::new();
    let before = (sample.contents.digests(), sample.contents.tags(REPOSITORY).unwrap());
    let (_github, client) = started(&sample, restoring(&sample)).await;
    let restore = format!("{}/restore", version(&sample.latest));
    assert_eq!(client.post(&restore).await.status, 404, "nothing is deleted yet");
    client.delete(&version(&sample.latest)).await;
    let deleted = client.get(&format!("{VERSIONS}?state=deleted")).await;
    assert_eq!(deleted.all("name"), [sample.latest.as_str()]);
    assert_eq!(tags(&deleted), [(sample.latest.clone(), vec!["latest".to_owned()])]);
    assert!(deleted.body[0]["deleted_at"].is_string());
    assert_eq!(client.post(&restore).await.status, 204);
    assert_eq!((sample.contents.digests(), sample.contents.tags(REPOSITORY).unwrap()), before);
    assert!(client.get(&format!("{VERSIONS}?state=deleted")).await.all("name").is_empty());
    assert_eq!(client.post(&restore).await.status, 404);
}

#[tokio::test]
async fn a_deleted_package_comes_back_without_what_was_deleted_before() {
    let sample = Sample::new();
    let (_github, client) = started(&sample, restoring(&sample)).await;
    client.delete(&version(&sample.latest)).await;
    let before = (sample.contents.digests(), sample.contents.tags(REPOSITORY).unwrap());
    assert_eq!(client.delete(PACKAGE).await.status, 204);
    assert!(sample.contents.digests().is_empty());
    assert_eq!(client.get(PACKAGE).await.status, 404);
    assert_eq!(client.get(VERSIONS).await.status, 404);
    assert_eq!(client.post(&format!("{PACKAGE}/restore")).await.status, 204);
    assert_eq!((sample.contents.digests(), sample.contents.tags(REPOSITORY).unwrap()), before);
    assert_eq!(client.post(&format!("{PACKAGE}/restore")).await.status, 404, "it is there");
}

#[tokio::test]
async fn a_package_is_restored_images_first() {
    let sample = Sample::new();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let restore: Restore = {
        let order = Arc::clone(&order);
        Arc::new(move |_, version| {
            order.lock().unwrap().push(version.digest.clone());
            Ok(())
        })
    };
    let (_github, client) = started(&sample, GitHubSettings { restore: Some(restore), ..settings() }).await;
    client.delete(PACKAGE).await;
    client.post(&format!("{PACKAGE}/restore")).await;
    let lists: Vec<bool> =
        order.lock().unwrap().iter().map(|digest| [&sample.latest, &sample.release].contains(&digest)).collect();
    assert_eq!(lists, [false, false, false, true, true]);
}

#[tokio::test]
async fn without_a_way_back_the_time_is_over() {
    let sample = Sample::new();
    let (_github, client) = started(&sample, settings()).await;
    client.delete(&version(&sample.latest)).await;
    assert_eq!(client.post(&format!("{}/restore", version(&sample.latest))).await.status, 404);
}

#[tokio::test]
async fn a_listing_may_show_once_more_what_is_gone() {
    let sample = Sample::new();
    let lag = Lag { deleted_versions: true, ..Lag::default() };
    let (_github, client) = started(&sample, GitHubSettings { lag, ..settings() }).await;
    let gone = version(&sample.latest);
    assert_eq!(client.delete(&gone).await.status, 204);
    assert!(client.get(VERSIONS).await.all("name").contains(&sample.latest.as_str()));
    assert_eq!(client.delete(&gone).await.status, 404);
    assert!(!client.get(VERSIONS).await.all("name").contains(&sample.latest.as_str()));
}

#[tokio::test]
async fn the_pages_of_a_lagging_listing_fit_each_other() {
    let sample = Sample::new();
    let lag = Lag { deleted_versions: true, ..Lag::default() };
    let (_github, client) = started(&sample, GitHubSettings { lag, ..settings() }).await;
    let before = sample.contents.digests();
    client.delete(&version(&sample.latest)).await;
    let pages = [1, 2, 3].map(|page| format!("{VERSIONS}?per_page=2&page={page}"));
    let mut shown = BTreeSet::new();
    for page in pages {
        shown.extend(client.get(&page).await.all("name").into_iter().map(str::to_owned));
    }
    assert_eq!(shown, before);
}

#[tokio::test]
async fn a_listing_may_show_a_moved_tag_twice_once() {
    let sample = Sample::new();
    let lag = Lag { moved_tags: true, ..Lag::default() };
    let (_github, client) = started(&sample, GitHubSettings { lag, ..settings() }).await;
    sample.contents.tag(REPOSITORY, "latest", &sample.shared);
    let at = |reply: &Reply| -> BTreeSet<String> {
        tags(reply).into_iter().filter(|(_, tags)| tags.contains(&"latest".to_owned())).map(|(it, _)| it).collect()
    };
    let both = BTreeSet::from([sample.latest.clone(), sample.shared.clone()]);
    assert_eq!(at(&client.get(VERSIONS).await), both);
    assert_eq!(at(&client.get(VERSIONS).await), BTreeSet::from([sample.shared.clone()]));
}

#[tokio::test]
async fn every_answer_tells_the_limit() {
    let sample = Sample::new();
    let (_github, client) = started(&sample, GitHubSettings { requests_max: Some(2), ..settings() }).await;
    for (used, remaining) in [("1", "1"), ("2", "0")] {
        let reply = client.get(PACKAGE).await;
        assert_eq!(reply.status, 200);
        let told = ["limit", "used", "remaining", "resource"].map(|name| reply.header(&format!("x-ratelimit-{name}")));
        assert_eq!(told, [Some("2"), Some(used), Some(remaining), Some("core")]);
        assert!(reply.header("x-ratelimit-reset").unwrap().parse::<u64>().is_ok());
    }
    let reply = client.delete(&version(&sample.latest)).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-ratelimit-remaining")), (403, Some("0")));
    assert!(reply.message().starts_with("API rate limit exceeded"));
    assert!(sample.contents.digests().contains(&sample.latest));
    assert_eq!(client.with(PERSON).get(PACKAGE).await.header("x-ratelimit-used"), Some("1"), "others have their own");
}

#[rstest]
#[case(WORKFLOW, "1000")]
#[case(PERSON, "5000")]
#[tokio::test]
async fn limits_are_those_of_the_token(#[case] token: &str, #[case] limit: &str) {
    let (_github, client) = started(&Sample::new(), settings()).await;
    assert_eq!(client.with(token).get(PACKAGE).await.header("x-ratelimit-limit"), Some(limit));
}

#[tokio::test]
async fn the_secondary_limit_tells_how_long_it_lasts() {
    let (github, client) = started(&Sample::new(), settings()).await;
    github.limit_rate(Duration::from_millis(59_500));
    let reply = client.get(PACKAGE).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (403, Some("60")));
    assert!(reply.message().contains("secondary rate limit"));
    github.limit_rate(Duration::ZERO);
    assert_eq!(client.get(PACKAGE).await.status, 200);
}

#[tokio::test]
async fn storage_that_cannot_be_read_is_trouble() {
    let github = GitHub::start(Memory::broken(), settings()).await.unwrap();
    assert_eq!(Client::new(github.address()).with(WORKFLOW).get(PACKAGE).await.status, 500);
    assert_eq!(github.trouble(), [format!("GET {PACKAGE}: the disk is gone")]);
}

proptest! {
    #[test]
    fn all_versions_are_shown_once(count in 0_usize..120, size in 1_usize..130) {
        let sample = Sample::new();
        (0..count).for_each(|number| drop(sample.contents.image(REPOSITORY, &number.to_string())));
        let state = stand_in::State::new(sample.behind(), settings());
        let headers = HeaderMap::from_iter([("authorization".parse().unwrap(), PERSON.parse().unwrap())]);
        let mut shown = Vec::new();
        for page in 1.. {
            let path = format!("{VERSIONS}?page={page}&per_page={size}").parse().unwrap();
            let answer = state.answer(&Request::new(Method::GET, &path, &headers, b"")).unwrap();
            let body = answer.body.unwrap();
            let versions = body.as_array().unwrap();
            shown.extend(versions.iter().map(|version| version["name"].as_str().unwrap().to_owned()));
            if !answer.headers.get("link").is_some_and(|link| link.to_str().unwrap().contains("rel=\"next\"")) {
                break;
            }
        }
        prop_assert_eq!(shown.len(), count + 5);
        prop_assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), sample.contents.digests());
    }
}
