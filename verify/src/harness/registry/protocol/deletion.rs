//! Deletion of manifests, and what it leaves.

use super::{
    behaviour::behaviours,
    client::{It, sha256},
};
use crate::harness::registry::media::{DOCKER_LIST, DOCKER_MANIFEST};

fn path(it: &It, reference: &str) -> String {
    it.path(&format!("manifests/{reference}"))
}

behaviours! {
    "a manifest is deleted by its digest, and all its tags go with it",
    "202 404 MANIFEST_UNKNOWN 404 MANIFEST_UNKNOWN 404 MANIFEST_UNKNOWN",
    |it| {
        let image = it.tagged("one").await;
        it.put("two", DOCKER_MANIFEST, &image.bytes).await;
        let deleted = it.delete(&path(&it, &image.digest)).await.seen();
        let (one, two) = (it.manifest("one").await.seen(), it.manifest("two").await.seen());
        format!("{deleted} {one} {two} {}", it.manifest(&image.digest).await.seen())
    };

    "tags of other manifests stay",
    "202 200",
    |it| {
        let first = it.tagged("first").await;
        let list = it.list(DOCKER_LIST, "amd64").await.0;
        it.put("list", DOCKER_LIST, &list.bytes).await;
        let deleted = it.delete(&path(&it, &list.digest)).await.seen();
        assert_ne!(first.digest, list.digest);
        format!("{deleted} {}", it.manifest("first").await.seen())
    };

    "an unknown manifest cannot be deleted, nor the same twice",
    "404 MANIFEST_UNKNOWN 202 404 MANIFEST_UNKNOWN",
    |it| {
        let image = it.tagged("latest").await;
        let unknown = it.delete(&path(&it, &sha256(b"unknown"))).await.seen();
        let deleted = it.delete(&path(&it, &image.digest)).await.seen();
        format!("{unknown} {deleted} {}", it.delete(&path(&it, &image.digest)).await.seen())
    };

    "a tag alone cannot be deleted",
    "400 DIGEST_INVALID 200",
    |it| {
        it.tagged("latest").await;
        let refused = it.delete(&path(&it, "latest")).await.seen();
        format!("{refused} {}", it.manifest("latest").await.seen())
    };

    "a deleted list leaves its children",
    "202 200",
    |it| {
        let (list, child) = it.list(DOCKER_LIST, "amd64").await;
        it.put("latest", DOCKER_LIST, &list.bytes).await;
        let deleted = it.delete(&path(&it, &list.digest)).await.seen();
        format!("{deleted} {}", it.manifest(&child.digest).await.seen())
    };

    "a deleted child leaves a list that dangles",
    "202 200 404 MANIFEST_UNKNOWN",
    |it| {
        let (list, child) = it.list(DOCKER_LIST, "amd64").await;
        it.put("latest", DOCKER_LIST, &list.bytes).await;
        let deleted = it.delete(&path(&it, &child.digest)).await.seen();
        let dangling = it.manifest("latest").await.seen();
        format!("{deleted} {dangling} {}", it.manifest(&child.digest).await.seen())
    };

    "a deleted manifest can be put again, for its blobs are there",
    "202 201 200",
    |it| {
        let image = it.tagged("latest").await;
        let deleted = it.delete(&path(&it, &image.digest)).await.seen();
        let put = it.put("latest", DOCKER_MANIFEST, &image.bytes).await.seen();
        format!("{deleted} {put} {}", it.manifest("latest").await.seen())
    };

    "a manifest whose blob was deleted is there all the same",
    "202 200",
    |it| {
        let image = it.tagged("latest").await;
        let layer = sha256(format!("a layer of {}", it.repository).as_bytes());
        assert!(String::from_utf8_lossy(&image.bytes).contains(&layer));
        let deleted = it.delete(&it.path(&format!("blobs/{layer}"))).await.seen();
        format!("{deleted} {}", it.manifest("latest").await.seen())
    };
}
