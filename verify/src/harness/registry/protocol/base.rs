//! What every client asks first, and what nobody should ask.

use axum::http::Method;

use super::behaviour::behaviours;

behaviours! {
    "the base says that the protocol is spoken",
    "200 docker-distribution-api-version=registry/2.0 content-type=application/json; charset=utf-8 {}",
    |it| {
        let answer = it.get("/v2/").await;
        format!("{} {}", answer.with(&["docker-distribution-api-version", "content-type"]), answer.text())
    };

    "the base without its slash leads to the one with it",
    "301 location=/v2/",
    |it| it.get("/v2").await.with(&["location"]);

    "a path that means nothing is not found, without an error code",
    "404 404 page not found",
    |it| {
        let answer = it.get(&it.path("nothing")).await;
        format!("{} {}", answer.seen(), answer.text().trim())
    };

    "a name in capitals is none",
    "404 404 page not found",
    |it| {
        let answer = it.get("/v2/acme/HELLO/tags/list").await;
        format!("{} {}", answer.seen(), answer.text().trim())
    };

    "a method that an endpoint does not know is refused with those that it knows",
    "405 allow=DELETE, GET, HEAD, PUT 405 allow=GET 405 allow=DELETE, GET, HEAD",
    |it| {
        let digest = format!("blobs/sha256:{}", "0".repeat(64));
        let manifest = it.patch(&it.path("manifests/latest"), b"").await.with(&["allow"]);
        let tags = it.delete(&it.path("tags/list")).await.with(&["allow"]);
        let blob = it.send(Method::PUT, &it.path(&digest), &[], b"").await.with(&["allow"]);
        format!("{manifest} {tags} {blob}")
    };

    "there is no list of referrers",
    "404",
    |it| it.get(&it.path(&format!("referrers/sha256:{}", "0".repeat(64)))).await.seen();
}
