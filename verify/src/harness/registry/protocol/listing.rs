//! Lists of tags and of repositories.

use super::{behaviour::behaviours, client::It};
use crate::harness::registry::media::DOCKER_MANIFEST;

/// Pushes an image under some tags.
async fn tagged(it: &It, tags: &[&str]) {
    let image = it.image(DOCKER_MANIFEST).await;
    for tag in tags {
        assert_eq!(it.put(tag, DOCKER_MANIFEST, &image.bytes).await.status, 201);
    }
}

/// Asks for tags: the status, the tags in order, the link to the next page.
async fn tags(it: &It, query: &str) -> String {
    let answer = it.get(&it.path(&format!("tags/list{query}"))).await;
    let link = answer.header("link").replace(&it.repository, "REPOSITORY");
    let mut tags = answer.json()["tags"].take();
    if let Some(tags) = tags.as_array_mut() {
        tags.sort_by_key(ToString::to_string);
    }
    format!("{} {tags} link={link}", answer.seen())
}

behaviours! {
    "the tags of a repository are listed",
    r#"200 ["a","b","c"] link=- true"#,
    |it| {
        tagged(&it, &["b", "c", "a"]).await;
        let named = it.get(&it.path("tags/list")).await.json()["name"] == it.repository.as_str();
        format!("{} {named}", tags(&it, "").await)
    };

    "tags come in pages",
    r#"200 ["a","b","c"] link=- 200 ["a","b","c"] link=-"#,
    |it| {
        tagged(&it, &["a", "b", "c"]).await;
        format!("{} {}", tags(&it, "?n=2").await, tags(&it, "?n=2&last=b").await)
    };

    "an unknown repository has no list of tags",
    "404 NAME_UNKNOWN",
    |it| it.get(&it.path("tags/list")).await.seen();

    "a repository that holds blobs alone has no list of tags",
    "404 NAME_UNKNOWN",
    |it| {
        it.push(b"hello").await;
        it.get(&it.path("tags/list")).await.seen()
    };

    "a repository that lost all its tags has none, instead of an empty list",
    "200 null link=-",
    |it| {
        let image = it.tagged("latest").await;
        it.delete(&it.path(&format!("manifests/{}", image.digest))).await;
        tags(&it, "").await
    };

    "repositories are listed, those with blobs alone too",
    "true true",
    |it| {
        it.tagged("latest").await;
        it.beside().push(b"hello").await;
        let last = it.repository.trim_end_matches(char::is_alphanumeric).to_owned();
        let answer = it.get(&format!("/v2/_catalog?n=1000&last={last}")).await.json();
        let listed = |name: &str| answer["repositories"].as_array().unwrap().iter().any(|it| it == name);
        format!("{} {}", listed(&it.repository), listed(&it.beside().repository))
    };

    "repositories come in pages that lead to the next",
    r#"200 ["REPOSITORY/paged/a"] link=</v2/_catalog?last=REPOSITORY/paged/a&n=1>; rel="next" ["REPOSITORY/paged/b"]"#,
    |it| {
        for name in ["a", "b"] {
            It { repository: format!("{}/paged/{name}", it.repository), ..it.clone() }.tagged("latest").await;
        }
        let answer = it.get(&format!("/v2/_catalog?n=1&last={}/paged", it.repository)).await;
        let link = answer.header("link").replace("%2F", "/");
        let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        let then = it.get(&next).await.json()["repositories"].to_string();
        let seen = format!("{} {} link={link} {then}", answer.seen(), answer.json()["repositories"]);
        seen.replace(&it.repository, "REPOSITORY")
    };

    "a page of no size is empty, and one of a nonsensical size has the usual one",
    "[] true",
    |it| {
        it.tagged("latest").await;
        let nothing = it.get("/v2/_catalog?n=0").await.json()["repositories"].to_string();
        let nonsense = it.get("/v2/_catalog?n=many").await.json()["repositories"].as_array().unwrap().len();
        format!("{nothing} {}", nonsense > 0)
    };
}
