//! What a client gets depends on what it accepts.

use super::behaviour::behaviours;
use crate::harness::registry::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

behaviours! {
    "an OCI manifest is only for those who accept it, by tag and by digest",
    "404 MANIFEST_UNKNOWN 404 MANIFEST_UNKNOWN 200",
    |it| {
        let image = it.image(OCI_MANIFEST).await;
        it.put("latest", OCI_MANIFEST, &image.bytes).await;
        let by_tag = it.accepting("latest", &[DOCKER_MANIFEST]).await.seen();
        let by_digest = it.accepting(&image.digest, &[]).await.seen();
        format!("{by_tag} {by_digest} {}", it.accepting("latest", &[OCI_MANIFEST]).await.seen())
    };

    "an OCI index is only for those who accept it",
    "404 MANIFEST_UNKNOWN 200",
    |it| {
        let (index, _) = it.list(OCI_INDEX, "amd64").await;
        it.put("latest", OCI_INDEX, &index.bytes).await;
        let refused = it.accepting("latest", &[DOCKER_LIST, OCI_MANIFEST]).await.seen();
        format!("{refused} {}", it.accepting("latest", &[OCI_INDEX]).await.seen())
    };

    "to accept everything is to accept nothing",
    "404 MANIFEST_UNKNOWN",
    |it| {
        let image = it.image(OCI_MANIFEST).await;
        it.put("latest", OCI_MANIFEST, &image.bytes).await;
        it.accepting("latest", &["*/*"]).await.seen()
    };

    "what is accepted may stand in one header or in several, with weights",
    "200 200",
    |it| {
        let image = it.image(OCI_MANIFEST).await;
        it.put("latest", OCI_MANIFEST, &image.bytes).await;
        let one = format!("{DOCKER_LIST};q=0.5,{OCI_MANIFEST};q=0.9");
        let in_one = it.accepting("latest", &[&one]).await.seen();
        format!("{in_one} {}", it.accepting("latest", &[DOCKER_LIST, OCI_MANIFEST]).await.seen())
    };

    "by digest Docker's manifests and lists are for everybody",
    "200 true 200 true",
    |it| {
        let (list, child) = it.list(DOCKER_LIST, "amd64").await;
        it.put("latest", DOCKER_LIST, &list.bytes).await;
        let (of_list, of_child) = (it.accepting(&list.digest, &[]).await, it.accepting(&child.digest, &[]).await);
        let (same_list, same_child) = (of_list.body == list.bytes, of_child.body == child.bytes);
        format!("{} {same_list} {} {same_child}", of_list.seen(), of_child.seen())
    };

    "who knows no lists gets the image for amd64",
    "200 content-type=application/vnd.docker.distribution.manifest.v2+json true",
    |it| {
        let (list, child) = it.list(DOCKER_LIST, "amd64").await;
        it.put("latest", DOCKER_LIST, &list.bytes).await;
        let answer = it.accepting("latest", &[DOCKER_MANIFEST]).await;
        let is_child = answer.header("docker-content-digest") == child.digest;
        format!("{} {is_child}", answer.with(&["content-type"]))
    };

    "who knows no lists gets nothing where there is no image for amd64",
    "404 MANIFEST_UNKNOWN",
    |it| {
        let (list, _) = it.list(DOCKER_LIST, "arm64").await;
        it.put("latest", DOCKER_LIST, &list.bytes).await;
        it.accepting("latest", &[DOCKER_MANIFEST]).await.seen()
    };

    "who knows no schema 2 gets schema 1, made on the spot",
    "200 content-type=application/vnd.docker.distribution.manifest.v1+prettyjws",
    |it| {
        it.tagged("latest").await;
        it.accepting("latest", &[]).await.with(&["content-type"])
    };
}
