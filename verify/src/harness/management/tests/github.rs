//! Every documented status, the pages, and what a deletion deletes.

use rstest::rstest;
use serde_json::json;

use super::{Client, REPOSITORY, Sample, put_image};
use crate::harness::management::{StandIn, github::start, version_id};

const PACKAGE: &str = "/users/acme/packages/container/hello";
const VERSIONS: &str = "/users/acme/packages/container/hello/versions";
const TOKEN: &str = "ghs_workflow";

async fn started(sample: &Sample) -> (StandIn, Client) {
    let github = start(sample.storage.clone(), TOKEN).await.unwrap();
    let client = Client { address: github.address(), authorization: Some(format!("token {TOKEN}")) };
    (github, client)
}

fn version(digest: &str) -> String {
    format!("{VERSIONS}/{}", version_id(REPOSITORY, digest))
}

#[rstest]
#[case::package(Some("token ghs_workflow"), PACKAGE, 200, "")]
#[case::versions(Some("Bearer ghs_workflow"), VERSIONS, 200, "")]
#[case::nobody(None, PACKAGE, 401, "Requires authentication")]
#[case::unknown_token(Some("Bearer x"), PACKAGE, 401, "Bad credentials")]
#[case::basic(Some("Basic ghs_workflow"), PACKAGE, 401, "Requires authentication")]
#[case::of_an_organization(Some("Bearer ghs_workflow"), "/orgs/acme/packages/container/hello", 404, "Not Found")]
#[case::own(
    Some("Bearer ghs_workflow"),
    "/user/packages/container/hello",
    403,
    "Resource not accessible by integration"
)]
#[case::absent(Some("Bearer ghs_workflow"), "/users/acme/packages/container/other", 404, "Package not found.")]
#[case::encoded(Some("Bearer ghs_workflow"), "/users/acme/packages/container/deep%2Fhello", 200, "")]
#[case::in_lower_case(Some("Bearer ghs_workflow"), "/users/acme/packages/container/deep%2fhello", 200, "")]
#[case::not_encoded(
    Some("Bearer ghs_workflow"),
    "/users/acme/packages/container/deep/hello",
    404,
    "Package not found."
)]
#[case::no_version(
    Some("Bearer ghs_workflow"),
    "/users/acme/packages/container/hello/versions/1",
    404,
    "Package not found."
)]
#[case::other_type(Some("Bearer ghs_workflow"), "/users/acme/packages/npm/hello", 404, "Not Found")]
#[tokio::test]
async fn who_may_read_what(
    #[case] authorization: Option<&str>,
    #[case] path: &str,
    #[case] status: u16,
    #[case] message: &str,
) {
    let sample = Sample::new();
    put_image(&sample.storage, "acme/deep/hello", "deep");
    let (_github, mut client) = started(&sample).await;
    client.authorization = authorization.map(str::to_owned);
    let reply = client.get(path).await;
    assert_eq!((reply.status, reply.message()), (status, message));
}

#[tokio::test]
async fn a_version_goes_with_all_its_tags_and_nothing_protects_children() {
    let sample = Sample::new();
    let (_github, client) = started(&sample).await;
    assert_eq!(client.delete(&version(&sample.latest)).await.status, 204);
    assert_eq!(sample.tags(), ["1.0.0"]);
    assert_eq!(client.delete(&version(&sample.shared)).await.status, 204);
    assert!(sample.manifests().contains(&sample.release) && !sample.manifests().contains(&sample.shared));
    let reply = client.delete(&version(&sample.latest)).await;
    assert_eq!((reply.status, reply.message()), (404, "Package not found."));
    let last = client.delete(&version(&sample.release)).await;
    assert_eq!((last.status, &last.body["status"]), (400, &json!("400")));
    assert!(last.message().starts_with("You cannot delete the last tagged version"), "{}", last.message());
}

#[tokio::test]
async fn the_last_version_stays_and_a_package_goes_with_all_versions() {
    let sample = Sample::new();
    let lone = put_image(&sample.storage, "acme/lone", "lone");
    let (_github, client) = started(&sample).await;
    let path = format!("/users/acme/packages/container/lone/versions/{}", version_id("acme/lone", &lone));
    let reply = client.delete(&path).await;
    assert_eq!(reply.status, 400);
    assert!(reply.message().starts_with("You cannot delete the last version"), "{}", reply.message());
    assert_eq!(client.delete(PACKAGE).await.status, 204);
    assert_eq!((sample.manifests().len(), client.get(VERSIONS).await.status), (0, 404));
}

#[tokio::test]
async fn a_version_has_all_documented_fields() {
    let sample = Sample::new();
    let (github, client) = started(&sample).await;
    let version = client.get(&version(&sample.latest)).await.body;
    let id = version_id(REPOSITORY, &sample.latest);
    assert_eq!((&version["id"], &version["name"]), (&json!(id), &json!(sample.latest)));
    assert_eq!(version["url"], format!("http://{}{VERSIONS}/{id}", github.address()));
    assert_eq!(version["html_url"], format!("https://github.com{PACKAGE}/{id}"));
    assert!(humantime::parse_rfc3339(version["created_at"].as_str().unwrap()).is_ok());
    assert_eq!(version["metadata"]["container"]["tags"], json!(["latest"]));
    let package = client.get(PACKAGE).await.body;
    assert_eq!((&package["name"], &package["version_count"]), (&json!("hello"), &json!(5)));
}

#[tokio::test]
async fn the_newest_is_listed_first_and_nothing_deleted_is_listed() {
    let sample = Sample::new();
    let (_github, client) = started(&sample).await;
    let new = put_image(&sample.storage, REPOSITORY, "newest");
    let listed = client.get(VERSIONS).await;
    assert_eq!((listed.all("name")[0], listed.all("name").len()), (new.as_str(), 6));
    assert_eq!(listed.headers.get("link"), None);
    client.delete(&version(&new)).await;
    assert!(client.get(&format!("{VERSIONS}?state=deleted")).await.all("name").is_empty());
}

#[tokio::test]
async fn all_pages_together_list_every_version_once() {
    let sample = Sample::new();
    (0..140).for_each(|number| drop(put_image(&sample.storage, REPOSITORY, &number.to_string())));
    let (_github, client) = started(&sample).await;
    assert_eq!(client.get(VERSIONS).await.all("name").len(), 30);
    let (mut names, mut next) = (Vec::new(), Some(format!("{VERSIONS}?per_page=1000")));
    while let Some(address) = next {
        let page = client.get(&address).await;
        names.extend(page.all("name").into_iter().map(str::to_owned));
        let links = page.headers["link"].to_str().unwrap().to_owned();
        next = links.split(", ").find_map(|link| Some(link.strip_suffix(">; rel=\"next\"")?[1..].to_owned()));
        assert_eq!(next.is_some(), links.contains("rel=\"last\""));
    }
    names.sort();
    assert_eq!(names, sample.manifests());
}

#[tokio::test]
async fn links_keep_the_query() {
    let (github, client) = started(&Sample::new()).await;
    let page = client.get(&format!("{VERSIONS}?per_page=2&state=active&page=2")).await;
    let link = |number: usize, name: &str| {
        format!("<http://{}{VERSIONS}?page={number}&per_page=2&state=active>; rel=\"{name}\"", github.address())
    };
    let links = [link(1, "prev"), link(3, "next"), link(3, "last"), link(1, "first")].join(", ");
    assert_eq!(page.headers["link"], links);
    assert!(client.get(&format!("{VERSIONS}?page=9")).await.all("name").is_empty());
}

#[tokio::test]
async fn an_unreadable_storage_is_trouble() {
    let sample = Sample::new();
    let (github, client) = started(&sample).await;
    sample.storage.restore(&crate::harness::registry::StorageState::new()).unwrap();
    sample.storage.break_down();
    assert_eq!(client.get(PACKAGE).await.status, 500);
    assert!(github.trouble()[0].starts_with(&format!("GET {PACKAGE}: ")), "{:?}", github.trouble());
}
