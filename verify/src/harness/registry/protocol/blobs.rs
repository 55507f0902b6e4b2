//! Blobs.

use axum::http::Method;

use super::{
    behaviour::behaviours,
    client::{It, Pushed, sha256},
};

/// Gets a blob with a header.
async fn get(it: &It, blob: &Pushed, header: (&str, &str)) -> super::answer::Answer {
    it.send(Method::GET, &path(it, &blob.digest), &[header], b"").await
}

fn path(it: &It, digest: &str) -> String {
    it.path(&format!("blobs/{digest}"))
}

behaviours! {
    "a blob is read as it was pushed",
    "200 content-type=application/octet-stream content-length=5 accept-ranges=bytes true true hello",
    |it| {
        let blob = it.push(b"hello").await;
        let answer = it.get(&path(&it, &blob.digest)).await;
        let digest = answer.header("docker-content-digest") == blob.digest;
        let tag = answer.header("etag") == format!("\"{}\"", blob.digest);
        let seen = answer.with(&["content-type", "content-length", "accept-ranges"]);
        format!("{seen} {digest} {tag} {}", answer.text())
    };

    "the head of a blob is that of its GET",
    "200 content-type=application/octet-stream content-length=5 cache-control=max-age=31536000 true",
    |it| {
        let blob = it.push(b"hello").await;
        let answer = it.head(&path(&it, &blob.digest)).await;
        let digest = answer.header("docker-content-digest") == blob.digest;
        format!("{} {digest}", answer.with(&["content-type", "content-length", "cache-control"]))
    };

    "an unknown blob is not found",
    "404 BLOB_UNKNOWN 404 404 BLOB_UNKNOWN",
    |it| {
        let path = path(&it, &sha256(b"unknown"));
        let (get, head, delete) = (it.get(&path).await, it.head(&path).await, it.delete(&path).await);
        format!("{} {} {}", get.seen(), head.seen(), delete.seen())
    };

    "what is no digest names no blob",
    "404 400 DIGEST_INVALID",
    |it| {
        let tag = it.get(&path(&it, "latest")).await.seen();
        format!("{tag} {}", it.get(&path(&it, &format!("sha256:{}", "0".repeat(32)))).await.seen())
    };

    "a blob is read in part",
    "206 content-range=bytes 1-3/5 content-length=3 ell 206 content-range=bytes 3-4/5 content-length=2 lo",
    |it| {
        let blob = it.push(b"hello").await;
        let middle = get(&it, &blob, ("range", "bytes=1-3")).await;
        let end = get(&it, &blob, ("range", "bytes=3-")).await;
        let seen = |answer: super::answer::Answer| {
            format!("{} {}", answer.with(&["content-range", "content-length"]), answer.text())
        };
        format!("{} {}", seen(middle), seen(end))
    };

    "the end of a blob is read without knowing its length",
    "206 content-range=bytes 3-4/5 lo",
    |it| {
        let blob = it.push(b"hello").await;
        let answer = get(&it, &blob, ("range", "bytes=-2")).await;
        format!("{} {}", answer.with(&["content-range"]), answer.text())
    };

    "a part that lies outside is refused",
    "416 content-range=bytes */5",
    |it| {
        let blob = it.push(b"hello").await;
        get(&it, &blob, ("range", "bytes=5-")).await.with(&["content-range"])
    };

    "who holds a blob already is not sent it",
    "304 ",
    |it| {
        let blob = it.push(b"hello").await;
        let answer = get(&it, &blob, ("if-none-match", &format!("\"{}\"", blob.digest))).await;
        format!("{} {}", answer.seen(), answer.text())
    };

    "a blob can be deleted and pushed again",
    "202 content-length=0 404 200",
    |it| {
        let blob = it.push(b"hello").await;
        let path = path(&it, &blob.digest);
        let deleted = it.delete(&path).await.with(&["content-length"]);
        let gone = it.head(&path).await.seen();
        it.push(b"hello").await;
        format!("{deleted} {gone} {}", it.head(&path).await.seen())
    };

    "a repository shows only its own blobs",
    "404 BLOB_UNKNOWN",
    |it| {
        let blob = it.push(b"of one").await;
        it.beside().push(b"of another").await;
        it.beside().get(&path(&it.beside(), &blob.digest)).await.seen()
    };

    "a deleted blob stays where it was mounted",
    "202 404 200",
    |it| {
        let (blob, here) = (it.push(b"shared").await, it.beside());
        here.post(&here.path(&format!("blobs/uploads/?mount={}&from={}", blob.digest, it.repository))).await;
        let deleted = it.delete(&path(&it, &blob.digest)).await.seen();
        let gone = it.head(&path(&it, &blob.digest)).await.seen();
        format!("{deleted} {gone} {}", here.head(&path(&here, &blob.digest)).await.seen())
    };

    "a manifest is no blob",
    "404 BLOB_UNKNOWN",
    |it| {
        let image = it.tagged("latest").await;
        it.get(&path(&it, &image.digest)).await.seen()
    };
}
