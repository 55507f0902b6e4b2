//! Manifests: putting and getting.

use axum::http::Method;
use serde_json::json;

use super::{
    behaviour::behaviours,
    client::{Pushed, sha256},
};
use crate::harness::registry::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// The most that a manifest may have, in bytes.
const LIMIT: usize = 4 * 1024 * 1024;

/// A list without children that is so many bytes long.
fn list_of(length: usize) -> Vec<u8> {
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": []}).to_string();
    let padding = " ".repeat(length - list.len());
    format!("{list}{padding}").into_bytes()
}

behaviours! {
    "a manifest is put under a tag",
    "201 true true",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let answer = it.put("latest", DOCKER_MANIFEST, &image.bytes).await;
        let location = format!("http://{}{}", it.host, it.path(&format!("manifests/{}", image.digest)));
        let named = answer.header("docker-content-digest") == image.digest;
        format!("{} {} {named}", answer.seen(), answer.header("location") == location)
    };

    "a manifest is put by its digest, and has no tag then",
    "201 200 404 NAME_UNKNOWN",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let put = it.put(&image.digest, DOCKER_MANIFEST, &image.bytes).await.seen();
        let there = it.manifest(&image.digest).await.seen();
        format!("{put} {there} {}", it.get(&it.path("tags/list")).await.seen())
    };

    "a manifest of another digest is refused",
    "400 DIGEST_INVALID 404 MANIFEST_UNKNOWN",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let put = it.put(&sha256(b"other"), DOCKER_MANIFEST, &image.bytes).await.seen();
        format!("{put} {}", it.manifest(&image.digest).await.seen())
    };

    "a manifest is got as it was put, with spaces and all",
    "200 content-type=application/vnd.docker.distribution.manifest.v2+json true true true",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let bytes = String::from_utf8(image.bytes).unwrap().replace(',', " ,\n\t");
        it.put("latest", DOCKER_MANIFEST, bytes.as_bytes()).await;
        let (answer, digest) = (it.manifest("latest").await, sha256(bytes.as_bytes()));
        let named = answer.header("docker-content-digest") == digest;
        let tag = answer.header("etag") == format!("\"{digest}\"");
        format!("{} {named} {tag} {}", answer.with(&["content-type"]), answer.text() == bytes)
    };

    "the head of a manifest tells its digest and length",
    "200 true true 200",
    |it| {
        let image = it.tagged("latest").await;
        let accept = [("accept", DOCKER_MANIFEST)];
        let answer = it.send(Method::HEAD, &it.path("manifests/latest"), &accept, b"").await;
        let named = answer.header("docker-content-digest") == image.digest;
        let length = answer.header("content-length") == image.bytes.len().to_string();
        let path = it.path(&format!("manifests/{}", image.digest));
        let by_digest = it.send(Method::HEAD, &path, &accept, b"").await.seen();
        format!("{} {named} {length} {by_digest}", answer.seen())
    };

    "an unknown manifest is not found",
    "404 MANIFEST_UNKNOWN 404 MANIFEST_UNKNOWN 404 500 UNKNOWN",
    |it| {
        it.tagged("latest").await;
        let tag = it.manifest("other").await.seen();
        let digest = it.manifest(&sha256(b"other")).await.seen();
        let head = it.head(&it.path("manifests/other")).await.seen();
        let short = it.manifest(&format!("sha256:{}", "0".repeat(32))).await.seen();
        format!("{tag} {digest} {head} {short}")
    };

    "in an unknown repository no manifest is found",
    "404 MANIFEST_UNKNOWN",
    |it| it.manifest("latest").await.seen();

    "who holds a manifest already is not sent it",
    "304 ",
    |it| {
        let image = it.tagged("latest").await;
        let tag = format!("\"{}\"", image.digest);
        let headers = [("accept", DOCKER_MANIFEST), ("if-none-match", tag.as_str())];
        let answer = it.send(Method::GET, &it.path("manifests/latest"), &headers, b"").await;
        format!("{} {}", answer.seen(), answer.text())
    };

    "a manifest whose blobs are missing is refused with all of them",
    "400 MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN true true",
    |it| {
        let (config, layer) = (Pushed::of("config"), Pushed::of("layer"));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
            "config": config.descriptor("application/vnd.docker.container.image.v1+json"),
            "layers": [layer.descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip")],
        });
        let answer = it.put("latest", DOCKER_MANIFEST, manifest.to_string().as_bytes()).await;
        let named = |blob: &Pushed| answer.text().contains(&blob.digest);
        format!("{} {} {}", answer.seen(), named(&config), named(&layer))
    };

    "blobs of another repository do not count",
    "400 MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        it.beside().put("latest", DOCKER_MANIFEST, &image.bytes).await.seen()
    };

    "a layer that lies elsewhere is refused",
    "true",
    |it| {
        let config = it.push(b"{}").await;
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let mut layer = Pushed::of("elsewhere").descriptor(foreign);
        layer["urls"] = json!(["https://layers.example/1"]);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
            "config": config.descriptor("application/vnd.docker.container.image.v1+json"), "layers": [layer],
        });
        (it.put("latest", DOCKER_MANIFEST, manifest.to_string().as_bytes()).await.status >= 400).to_string()
    };

    "a list whose children are missing is refused, Docker's and OCI's",
    "400 MANIFEST_BLOB_UNKNOWN 400 MANIFEST_BLOB_UNKNOWN",
    |it| {
        let list = async |list: &str, of: &str| {
            let mut child = Pushed::of("child").descriptor(of);
            child["platform"] = json!({"architecture": "amd64", "os": "linux"});
            let bytes = json!({"schemaVersion": 2, "mediaType": list, "manifests": [child]}).to_string();
            it.put("latest", list, bytes.as_bytes()).await.seen()
        };
        let docker = list(DOCKER_LIST, DOCKER_MANIFEST).await;
        format!("{docker} {}", list(OCI_INDEX, OCI_MANIFEST).await)
    };

    "a list whose children are there is taken, Docker's and OCI's",
    "201 200 201 200",
    |it| {
        let list = async |tag: &str, media_type: &str| {
            let (list, _) = it.list(media_type, "amd64").await;
            let put = it.put(tag, media_type, &list.bytes).await.seen();
            format!("{put} {}", it.manifest(tag).await.seen())
        };
        let docker = list("docker", DOCKER_LIST).await;
        format!("{docker} {}", list("oci", OCI_INDEX).await)
    };

    "a child of a list may be a mere blob",
    "201",
    |it| {
        let blob = it.push(b"a blob").await;
        let mut child = blob.descriptor(DOCKER_MANIFEST);
        child["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child]});
        it.put("latest", DOCKER_LIST, list.to_string().as_bytes()).await.seen()
    };

    "what is no JSON is no manifest",
    "400 MANIFEST_INVALID",
    |it| it.put("latest", DOCKER_MANIFEST, b"hello").await.seen();

    "a manifest must be what it is said to be",
    "400 MANIFEST_INVALID 400 MANIFEST_INVALID 400 MANIFEST_INVALID",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let oci = it.put("latest", OCI_MANIFEST, &image.bytes).await.seen();
        let unknown = it.put("latest", "application/json", &image.bytes).await.seen();
        let path = it.path("manifests/latest");
        format!("{oci} {unknown} {}", it.send(Method::PUT, &path, &[], &image.bytes).await.seen())
    };

    "an OCI manifest need not say what it is",
    "201 content-type=application/vnd.oci.image.manifest.v1+json",
    |it| {
        let image = it.image(OCI_MANIFEST).await;
        let mut manifest: serde_json::Value = serde_json::from_slice(&image.bytes).unwrap();
        manifest.as_object_mut().unwrap().remove("mediaType");
        let put = it.put("latest", OCI_MANIFEST, manifest.to_string().as_bytes()).await.seen();
        let answer = it.manifest("latest").await;
        format!("{put} content-type={}", answer.header("content-type"))
    };

    "a document that is an image and a list is neither",
    "400 MANIFEST_INVALID 400 MANIFEST_INVALID",
    |it| {
        let image = it.image(OCI_MANIFEST).await;
        let both = async |media_type: &str| {
            let mut document: serde_json::Value = serde_json::from_slice(&image.bytes).unwrap();
            document["mediaType"] = media_type.into();
            document["manifests"] = json!([]);
            it.put("latest", media_type, document.to_string().as_bytes()).await.seen()
        };
        let manifest = both(OCI_MANIFEST).await;
        format!("{manifest} {}", both(OCI_INDEX).await)
    };

    "a manifest has at most four MiB",
    "201 400 MANIFEST_INVALID",
    |it| {
        let largest = it.put("largest", DOCKER_LIST, &list_of(LIMIT)).await.seen();
        format!("{largest} {}", it.put("larger", DOCKER_LIST, &list_of(LIMIT + 1)).await.seen())
    };

    "a tag has at most 128 characters and begins with a letter or digit",
    "201 404 404",
    |it| {
        let image = it.image(DOCKER_MANIFEST).await;
        let put = async |tag: &str| it.put(tag, DOCKER_MANIFEST, &image.bytes).await.seen();
        let (longest, longer) = (put(&"t".repeat(128)).await, put(&"t".repeat(129)).await);
        format!("{longest} {longer} {}", put("-tag").await)
    };

    "a tag that moves leaves what it pointed at",
    "201 200 true 200",
    |it| {
        let first = it.tagged("latest").await;
        let second = it.list(DOCKER_LIST, "amd64").await.0;
        let moved = it.put("latest", DOCKER_LIST, &second.bytes).await.seen();
        let now = it.manifest("latest").await;
        let is_second = now.header("docker-content-digest") == second.digest;
        format!("{moved} {} {is_second} {}", now.seen(), it.manifest(&first.digest).await.seen())
    };

    "a manifest may be put again",
    "201 201",
    |it| {
        let image = it.tagged("latest").await;
        let again = it.put("latest", DOCKER_MANIFEST, &image.bytes).await.seen();
        format!("{again} {}", it.put(&image.digest, DOCKER_MANIFEST, &image.bytes).await.seen())
    };
}
