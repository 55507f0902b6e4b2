//! Uploads.

use axum::http::Method;

use super::{
    behaviour::behaviours,
    client::{Pushed, sha256},
};

behaviours! {
    "an upload begins with nothing, which looks like one byte",
    "202 range=0-0 content-length=0",
    |it| it.post(&it.path("blobs/uploads/")).await.with(&["range", "content-length"]);

    "without a name there is no upload",
    "404 BLOB_UPLOAD_UNKNOWN 404 BLOB_UPLOAD_UNKNOWN",
    |it| {
        let path = it.path("blobs/uploads/");
        format!("{} {}", it.get(&path).await.seen(), it.delete(&path).await.seen())
    };

    "an upload has a name, which stands in its location",
    "true true",
    |it| {
        let answer = it.post(&it.path("blobs/uploads/")).await;
        let (name, location) = (answer.header("docker-upload-uuid"), answer.header("location"));
        let beginning = format!("http://{}/v2/{}/blobs/uploads/{name}?", it.host, it.repository);
        format!("{} {}", name.len() >= 32, location.starts_with(&beginning))
    };

    "a location leads through the host that was called",
    "true",
    |it| {
        let host = [("host", "proxy.example:1"), ("content-length", "0")];
        let answer = it.send(Method::POST, &it.path("blobs/uploads/"), &host, b"").await;
        answer.header("location").starts_with("http://proxy.example:1/v2/").to_string()
    };

    "a location behind TLS leads back through TLS",
    "true",
    |it| {
        let https = [("x-forwarded-proto", "https"), ("content-length", "0")];
        let answer = it.send(Method::POST, &it.path("blobs/uploads/"), &https, b"").await;
        answer.header("location").starts_with(&format!("https://{}/v2/", it.host)).to_string()
    };

    "one PUT brings a whole blob",
    "201 content-length=0 true true",
    |it| {
        let digest = sha256(b"hello");
        let answer = it.finish(&it.open().await, &digest, b"hello").await;
        let location = format!("http://{}{}", it.host, it.path(&format!("blobs/{digest}")));
        let named = answer.header("docker-content-digest") == digest;
        format!("{} {named} {}", answer.with(&["content-length"]), answer.header("location") == location)
    };

    "one PATCH brings a whole blob, which an empty PUT commits",
    "202 range=0-4 content-length=0 201 200 content-length=5",
    |it| {
        let patched = it.patch(&it.open().await, b"hello").await;
        let digest = sha256(b"hello");
        let finished = it.finish(&patched.header("location"), &digest, b"").await.seen();
        let there = it.head(&it.path(&format!("blobs/{digest}"))).await.with(&["content-length"]);
        format!("{} {finished} {there}", patched.with(&["range", "content-length"]))
    };

    "several PATCHes add up, and the PUT may bring the rest",
    "202 range=0-2 202 range=0-5 201 hello world",
    |it| {
        let first = it.patch(&it.open().await, b"hel").await;
        let second = it.patch(&first.header("location"), b"lo ").await;
        let digest = sha256(b"hello world");
        let finished = it.finish(&second.header("location"), &digest, b"world").await.seen();
        let read = it.get(&it.path(&format!("blobs/{digest}"))).await.text();
        format!("{} {} {finished} {read}", first.with(&["range"]), second.with(&["range"]))
    };

    "chunks that say where they belong are taken in order",
    "202 range=0-2 202 range=0-4 201",
    |it| {
        let range = |range: &'static str| [("content-range", range), ("content-type", "application/octet-stream")];
        let first = it.send(Method::PATCH, &it.open().await, &range("0-2"), b"hel").await;
        let second = it.send(Method::PATCH, &first.header("location"), &range("3-4"), b"lo").await;
        let finished = it.finish(&second.header("location"), &sha256(b"hello"), b"").await.seen();
        format!("{} {} {finished}", first.with(&["range"]), second.with(&["range"]))
    };

    "a chunk that belongs elsewhere is taken all the same",
    "202 range=0-2",
    |it| {
        let range = [("content-range", "7-9"), ("content-type", "application/octet-stream")];
        it.send(Method::PATCH, &it.open().await, &range, b"hel").await.with(&["range"])
    };

    "a body of unknown length is taken",
    "202 range=0-4",
    |it| {
        let chunks = [Ok::<_, std::io::Error>("hel"), Ok("lo")];
        let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
        let sent = it.http.patch(it.open().await).body(body).send().await.unwrap();
        super::answer::Answer::read(sent).await.with(&["range"])
    };

    "an upload tells how far it is",
    "204 range=0-0 204 range=0-4 true",
    |it| {
        let location = it.open().await;
        let fresh = it.get(&location).await.with(&["range"]);
        let location = it.patch(&location, b"hello").await.header("location");
        let answer = it.get(&location).await;
        let next = answer.header("location");
        let finished = it.finish(&next, &sha256(b"hello"), b"").await.status == 201;
        format!("{fresh} {} {finished}", answer.with(&["range"]))
    };

    "a location is good once",
    "404 BLOB_UPLOAD_INVALID 404 BLOB_UPLOAD_INVALID",
    |it| {
        let location = it.open().await;
        it.patch(&location, b"hello").await;
        let patched = it.patch(&location, b"again").await.seen();
        let asked = it.get(&location).await.seen();
        format!("{patched} {asked}")
    };

    "what an old location was tried with is not part of the upload",
    "404 BLOB_UPLOAD_INVALID 201",
    |it| {
        let old = it.open().await;
        let location = it.patch(&old, b"hello").await.header("location");
        let refused = it.patch(&old, b"again").await.seen();
        format!("{refused} {}", it.finish(&location, &sha256(b"hello"), b"").await.seen())
    };

    "a location without its parameters leads nowhere",
    "404 BLOB_UPLOAD_INVALID",
    |it| {
        let location = it.open().await;
        it.patch(location.split('?').next().unwrap(), b"hello").await.seen()
    };

    "a location does not lead to another repository",
    "404 BLOB_UPLOAD_INVALID",
    |it| {
        let location = it.open().await.replace(&it.repository, &it.beside().repository);
        it.patch(&location, b"hello").await.seen()
    };

    "an upload needs a digest to end",
    "400 DIGEST_INVALID 400 DIGEST_INVALID",
    |it| {
        let location = it.open().await;
        let none = it.send(Method::PUT, &location, &[], b"hello").await.seen();
        format!("{none} {}", it.finish(&location, "hello", b"hello").await.seen())
    };

    "bytes of another digest are refused, and use the location up",
    "400 DIGEST_INVALID 404 BLOB_UPLOAD_INVALID 404 BLOB_UNKNOWN",
    |it| {
        let (location, digest) = (it.open().await, sha256(b"hello"));
        let refused = it.finish(&location, &digest, b"other").await.seen();
        let again = it.finish(&location, &digest, b"hello").await.seen();
        let blob = it.get(&it.path(&format!("blobs/{digest}"))).await.seen();
        format!("{refused} {again} {blob}")
    };

    "an upload that has ended is unknown",
    "201 404 BLOB_UPLOAD_UNKNOWN",
    |it| {
        let location = it.open().await;
        let finished = it.finish(&location, &sha256(b"hello"), b"hello").await.seen();
        format!("{finished} {}", it.get(&location).await.seen())
    };

    "an upload can be cancelled",
    "204 404 BLOB_UPLOAD_UNKNOWN",
    |it| {
        let location = it.open().await;
        let cancelled = it.delete(&location).await.seen();
        format!("{cancelled} {}", it.patch(&location, b"hello").await.seen())
    };

    "two uploads do not disturb each other",
    "201 201",
    |it| {
        let (one, two) = (it.open().await, it.open().await);
        let (one, two) = (it.patch(&one, b"one").await, it.patch(&two, b"two").await);
        let first = it.finish(&one.header("location"), &sha256(b"one"), b"").await.seen();
        format!("{first} {}", it.finish(&two.header("location"), &sha256(b"two"), b"").await.seen())
    };

    "an empty blob is a blob",
    "201 200 content-length=0",
    |it| {
        let blob = Pushed::of("");
        let finished = it.finish(&it.open().await, &blob.digest, b"").await.seen();
        let there = it.head(&it.path(&format!("blobs/{}", blob.digest))).await;
        format!("{finished} {}", there.with(&["content-length"]))
    };

    "a blob may be pushed again",
    "201 201",
    |it| {
        let digest = sha256(b"hello");
        let first = it.finish(&it.open().await, &digest, b"hello").await.seen();
        format!("{first} {}", it.finish(&it.open().await, &digest, b"hello").await.seen())
    };

    "something that is not bytes is no chunk",
    "500 UNKNOWN",
    |it| it.send(Method::PATCH, &it.open().await, &[("content-type", "text/html")], b"hello").await.seen();

    "a POST with a digest brings a whole blob at once",
    "202 404 BLOB_UNKNOWN",
    |it| {
        let digest = sha256(b"hello");
        let octets = [("content-type", "application/octet-stream")];
        let path = it.path(&format!("blobs/uploads/?digest={digest}"));
        let posted = it.send(Method::POST, &path, &octets, b"hello").await.seen();
        format!("{posted} {}", it.get(&it.path(&format!("blobs/{digest}"))).await.seen())
    };

    "a blob of another repository is mounted",
    "201 true 200",
    |it| {
        let (blob, here) = (it.push(b"shared").await, it.beside());
        let path = here.path(&format!("blobs/uploads/?mount={}&from={}", blob.digest, it.repository));
        let mounted = here.post(&path).await;
        let named = mounted.header("docker-content-digest") == blob.digest;
        let there = here.head(&here.path(&format!("blobs/{}", blob.digest))).await.seen();
        format!("{} {named} {there}", mounted.seen())
    };

    "what cannot be mounted is to be uploaded",
    "202 range=0-0 202 range=0-0 202 range=0-0",
    |it| {
        let (blob, here) = (it.push(b"shared").await, it.beside());
        let mount = async |query: String| {
            here.post(&here.path(&format!("blobs/uploads/?{query}"))).await.with(&["range"])
        };
        let unknown = mount(format!("mount={}&from={}", sha256(b"unknown"), it.repository)).await;
        let from_nowhere = mount(format!("mount={}", blob.digest)).await;
        let nonsense = mount(format!("mount=hello&from={}", it.repository)).await;
        format!("{unknown} {from_nowhere} {nonsense}")
    };
}
