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

/// Asks for tags: the status, the tags, the link to the next page.
async fn tags(it: &It, query: &str) -> String {
    let answer = it.get(&it.path(&format!("tags/list{query}"))).await;
    let link = answer.header("link").replace(&it.repository, "REPOSITORY");
    format!("{} {} link={link}", answer.seen(), answer.json()["tags"])
}

behaviours! {
    "the tags of a repository are listed in order",
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

    "a repository that lost all its tags has an empty list",
    "200 [] link=-",
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
    "200 true link=</v2/_catalog?last=REPOSITORY&n=1>; rel=\"next\" true",
    |it| {
        it.tagged("latest").await;
        it.beside().push(b"hello").await;
        let before = &it.repository[..it.repository.len() - 1];
        let answer = it.get(&format!("/v2/_catalog?n=1&last={before}")).await;
        let only = answer.json()["repositories"] == serde_json::json!([it.repository]);
        let link = answer.header("link");
        let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        let then = it.get(&next).await.json()["repositories"][0] == it.beside().repository.as_str();
        let encoded = it.repository.replace('/', "%2F");
        format!("{} {only} link={} {then}", answer.seen(), link.replace(&encoded, "REPOSITORY"))
    };

    "a page of no size is a page of the usual size",
    "true true",
    |it| {
        it.tagged("latest").await;
        let nothing = it.get("/v2/_catalog?n=0").await.json()["repositories"].as_array().unwrap().len();
        let nonsense = it.get("/v2/_catalog?n=many").await.json()["repositories"].as_array().unwrap().len();
        format!("{} {}", nothing > 0, nonsense > 0)
    };
}
