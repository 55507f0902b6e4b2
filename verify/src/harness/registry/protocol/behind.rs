//! Tests: what is seen and done from behind is what clients see, with every backend.

use super::client::{self, It, sha256};
use crate::harness::registry::{
    Backend, EmbeddedSettings, Registry,
    media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX},
};

fn it(registry: &Registry) -> It {
    It {
        http: client::http(),
        host: registry.host().to_owned(),
        repository: "acme/hello".to_owned(),
        tokens: None,
        authorization: None,
    }
}

#[rstest::rstest]
#[case::embedded(Backend::Embedded)]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn contents_are_seen_from_behind(#[case] backend: Backend) {
    let registry = Registry::start(backend, None).await.unwrap();
    let (it, contents) = (it(&registry), registry.contents());
    assert!(contents.repositories().unwrap().is_empty());
    assert!(contents.tags(&it.repository).unwrap().is_empty());
    assert!(contents.manifests(&it.repository).unwrap().is_empty());

    let (list, child) = it.list(OCI_INDEX, "amd64").await;
    it.put("latest", OCI_INDEX, &list.bytes).await;
    it.put("1.2.0", OCI_INDEX, &list.bytes).await;
    it.beside().push(b"alone").await;

    assert_eq!(contents.repositories().unwrap(), ["acme/hello", "acme/hello-beside"]);
    let tags = contents.tags(&it.repository).unwrap();
    assert_eq!(
        tags.into_iter().collect::<Vec<_>>(),
        ["1.2.0", "latest"].map(|tag| (tag.to_owned(), list.digest.clone()))
    );
    let mut manifests = [list.digest.clone(), child.digest.clone()];
    manifests.sort();
    assert_eq!(contents.manifests(&it.repository).unwrap(), manifests);
    let stored = contents.manifest(&it.repository, &list.digest).unwrap().unwrap();
    assert_eq!((stored.media_type.as_str(), stored.bytes), (OCI_INDEX, list.bytes));
    assert_eq!(contents.manifest("acme/hello-beside", &list.digest).unwrap(), None);
    assert_eq!(contents.manifest(&it.repository, &sha256(b"unknown")).unwrap(), None);
    assert!(contents.has_blob("acme/hello-beside", &sha256(b"alone")).unwrap());
    assert!(!contents.has_blob(&it.repository, &sha256(b"alone")).unwrap());
    assert!(!contents.has_blob(&it.repository, "latest").unwrap());
}

#[rstest::rstest]
#[case::embedded(Backend::Embedded)]
#[case::process(Backend::Process)]
#[case::container(Backend::Container)]
#[tokio::test]
async fn what_is_removed_from_behind_is_gone_for_clients(#[case] backend: Backend) {
    let registry = Registry::start(backend, None).await.unwrap();
    let (it, contents) = (it(&registry), registry.contents());
    let (list, child) = it.list(DOCKER_LIST, "amd64").await;
    for tag in ["one", "two", "three"] {
        it.put(tag, DOCKER_LIST, &list.bytes).await;
    }
    it.put("child", DOCKER_MANIFEST, &child.bytes).await;

    assert!(contents.remove_tag(&it.repository, "one").unwrap());
    assert!(!contents.remove_tag(&it.repository, "one").unwrap(), "it is gone already");
    assert_eq!(it.manifest("one").await.seen(), "404 MANIFEST_UNKNOWN");
    assert_eq!(it.manifest("two").await.seen(), "200");

    assert!(contents.remove_manifest(&it.repository, &list.digest).unwrap());
    assert!(!contents.remove_manifest(&it.repository, &list.digest).unwrap(), "it is gone already");
    assert_eq!(it.manifest("two").await.seen(), "404 MANIFEST_UNKNOWN");
    assert_eq!(it.manifest(&list.digest).await.seen(), "404 MANIFEST_UNKNOWN");
    assert_eq!(it.manifest("child").await.seen(), "200");
    assert_eq!(it.get(&it.path("tags/list")).await.json()["tags"], serde_json::json!(["child"]));

    assert!(!contents.remove_tag("acme/nothing", "one").unwrap());
    assert!(!contents.remove_manifest("acme/nothing", &list.digest).unwrap());
}

#[tokio::test]
async fn a_stand_in_can_delete_tags_alone() {
    let settings = EmbeddedSettings { tag_deletion: true, ..EmbeddedSettings::default() };
    let registry = Registry::embedded(settings).await.unwrap();
    let it = it(&registry);
    let image = it.tagged("one").await;
    it.put("two", DOCKER_MANIFEST, &image.bytes).await;
    assert_eq!(it.delete(&it.path("manifests/one")).await.seen(), "202");
    assert_eq!(it.delete(&it.path("manifests/one")).await.seen(), "404 MANIFEST_UNKNOWN");
    assert_eq!(it.manifest("two").await.seen(), "200");
}
