//! What is read of lists, images and layers, and how each flaw is recorded.

use rstest::rstest;
use serde_json::json;

use super::{
    image::{
        AARCH64, DOCKER, Entry, Family, LayerBytes, OCI, X86_64, archive, elf, image, layer, member, plain_layer,
        push_good, push_list,
    },
    registry::{ACCOUNT, Registry},
};
use crate::client::{Child, Client, Depth, ManifestKind, Publication, Raw};

/// What could not be read.
fn flaws(publication: &Publication) -> Vec<String> {
    publication.missing.iter().map(|it| format!("{}: {it}", it.what)).collect()
}

/// Reads `latest`, layers too.
async fn read(registry: &Registry) -> Publication {
    registry.client().publication("latest", Depth::Layers).await.unwrap()
}

#[rstest]
#[case::docker(DOCKER)]
#[case::oci(OCI)]
#[tokio::test]
async fn a_good_image_is_read_whole(#[case] family: Family, #[values(Depth::Manifests, Depth::Layers)] depth: Depth) {
    let registry = Registry::start();
    let digest = push_good(&registry, "latest", family).await;
    let publication = registry.client().publication("latest", depth).await.unwrap();
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!((publication.shape, publication.digest()), (ManifestKind::List, Some(&*digest)));
    let root = publication.root.as_ref().unwrap();
    assert_eq!((&*root.media_type, root.own_media_type.as_deref()), (family.list, Some(family.list)));
    assert_eq!(root.stated_digest.as_deref(), Some(&*digest));
    let names: Vec<_> = publication.platforms().map(Child::platform_name).collect();
    assert_eq!(names, ["linux/amd64", "linux/arm64"]);
    let child = publication.platform("linux/arm64").unwrap();
    assert_eq!(child.manifest.as_ref().unwrap().media_type, family.manifest);
    assert_eq!((child.label("made"), child.label("x")), (Some("by hand"), None));
    let facts = &child.config.as_ref().unwrap().facts;
    assert_eq!(facts.healthcheck.as_ref().unwrap()["Test"][2], "health");
    assert_eq!(child.layers[0].stated_size, Some(child.layers[0].descriptor.size));
    assert_eq!(child.layers[0].content.is_some(), depth == Depth::Layers);
    assert_eq!(child.executables.is_some(), depth == Depth::Layers);
    assert_eq!(child.unusable_executables().count(), 0);
}

#[tokio::test]
async fn what_was_read_can_be_saved_and_judged_later() {
    let registry = Registry::start();
    push_good(&registry, "latest", DOCKER).await;
    let publication = read(&registry).await;
    let saved = serde_json::to_string(&publication).unwrap();
    assert_eq!(serde_json::from_str::<Publication>(&saved).unwrap(), publication);
}

#[tokio::test]
async fn a_digest_leads_to_the_same() {
    let registry = Registry::start();
    let digest = push_good(&registry, "latest", DOCKER).await;
    let publication = registry.client().publication(&digest, Depth::Manifests).await.unwrap();
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!(publication.digest(), Some(&*digest));
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_absent() {
    let registry = Registry::start();
    let publication = read(&registry).await;
    assert_eq!((publication.shape, publication.is_there()), (ManifestKind::Absent, false));
    assert_eq!(publication.missing[0].status, Some(404));
    assert!(flaws(&publication)[0].starts_with("manifest latest: 404 "));
}

#[tokio::test]
async fn a_tag_that_names_one_image_is_no_list() {
    let registry = Registry::start();
    image("amd64", X86_64).push_as(&registry, Some("latest")).await;
    let publication = read(&registry).await;
    assert_eq!((publication.shape, publication.children.len()), (ManifestKind::Image, 1));
    assert_eq!(publication.platforms().next().unwrap().platform_name(), "linux/amd64");
    assert_eq!(flaws(&publication), [""; 0]);
}

#[tokio::test]
async fn attestations_are_not_platforms() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let mut attestation = image("unknown", X86_64).push(&registry).await;
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64["digest"],
    });
    push_list(&registry, "latest", OCI, &[amd64, attestation.clone()]).await;
    let publication = read(&registry).await;
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!((publication.children.len(), publication.platforms().count()), (2, 1));
    registry.delete(&format!("manifests/{}", attestation["digest"].as_str().unwrap())).await;
    assert!(flaws(&read(&registry).await)[0].contains("attestation sha256:"));
}

#[tokio::test]
async fn a_missing_child_is_recorded_and_the_other_is_read() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let arm64 = image("arm64", AARCH64).push(&registry).await;
    let digest = amd64["digest"].as_str().unwrap().to_owned();
    push_list(&registry, "latest", DOCKER, &[amd64, arm64]).await;
    registry.delete(&format!("manifests/{digest}")).await;
    let publication = read(&registry).await;
    let flaws = flaws(&publication);
    assert_eq!(flaws.len(), 1);
    assert!(flaws[0].starts_with(&format!("manifest {digest}: 404 ")), "{flaws:?}");
    assert!(publication.platform("linux/amd64").unwrap().manifest.is_none());
    assert!(publication.platform("linux/arm64").unwrap().executables.is_some());
}

#[rstest]
#[tokio::test]
async fn a_missing_layer_is_recorded(#[values(Depth::Manifests, Depth::Layers)] depth: Depth) {
    let registry = Registry::start();
    let pushed = image("amd64", X86_64);
    pushed.push_as(&registry, Some("latest")).await;
    let digest = Raw::from(pushed.layers[0].bytes.clone()).digest();
    registry.delete(&format!("blobs/{digest}")).await;
    let publication = registry.client().publication("latest", depth).await.unwrap();
    assert_eq!(flaws(&publication).len(), 1);
    assert_eq!(
        (&*publication.missing[0].what, publication.missing[0].status),
        (&*format!("layer {digest}"), Some(404))
    );
    assert_eq!(publication.children[0].executables, None);
}

#[tokio::test]
async fn a_changed_layer_has_another_digest() {
    let registry = Registry::start();
    let pushed = image("amd64", X86_64);
    pushed.push_as(&registry, Some("latest")).await;
    let digest = Raw::from(pushed.layers[0].bytes.clone()).digest();
    let changed = layer(&[Entry::File("bin/app", elf(AARCH64))]);
    registry.corrupt(&digest, &changed.bytes);
    let publication = read(&registry).await;
    let content = publication.children[0].layers[0].content.as_ref().unwrap();
    assert_eq!(
        (&content.digest, content.diff_id.as_ref()),
        (&Raw::from(changed.bytes).digest(), Some(&changed.diff_id))
    );
}

#[tokio::test]
async fn a_changed_configuration_has_another_digest() {
    let registry = Registry::start();
    image("amd64", X86_64).push_as(&registry, Some("latest")).await;
    let digest = read(&registry).await.children[0].config.as_ref().unwrap().digest.clone();
    registry.corrupt(&digest, b"{");
    let publication = read(&registry).await;
    assert!(flaws(&publication)[0].starts_with(&format!("configuration {digest}: EOF")), "{publication:?}");
    let config = publication.children[0].config.as_ref().unwrap();
    assert_eq!(config.digest, Raw::from(b"{".to_vec()).digest());
}

#[rstest]
#[case::several_gzip_members(|archive: &[u8]| [member(&archive[..700]), member(&archive[700..])].concat(), None)]
#[case::not_compressed(|archive: &[u8]| archive.to_vec(), None)]
#[case::cut_off(|archive: &[u8]| { let whole = member(archive); whole[..whole.len() - 9].to_vec() }, Some("does not unpack"))]
#[case::zstandard(|_: &[u8]| b"\x28\xb5\x2f\xfd....".to_vec(), Some("Zstandard"))]
#[case::no_archive(|_: &[u8]| member(&[b'x'; 2048]), Some("the programs of linux/amd64"))]
#[tokio::test]
async fn a_layer_unpacks_or_the_reason_is_recorded(#[case] packed: fn(&[u8]) -> Vec<u8>, #[case] flaw: Option<&str>) {
    let registry = Registry::start();
    let archive = archive(&[Entry::File("bin/app", elf(X86_64))]);
    let bytes = packed(&archive);
    let unpacked = if flaw == Some("the programs of linux/amd64") { vec![b'x'; 2048] } else { archive };
    let layer = LayerBytes { bytes: bytes.clone(), diff_id: Raw::from(unpacked).digest() };
    image("amd64", X86_64).layers(&[layer]).push_as(&registry, Some("latest")).await;
    let publication = read(&registry).await;
    let content = publication.children[0].layers[0].content.as_ref().unwrap();
    assert_eq!((content.size, &content.digest), (bytes.len() as u64, &Raw::from(bytes).digest()));
    let flaws = flaws(&publication);
    match flaw {
        None => assert_eq!((flaws.len(), publication.children[0].executables.as_ref().map(Vec::len)), (0, Some(1))),
        Some(flaw) => {
            assert!(flaws.len() == 1 && flaws[0].contains(flaw), "{flaws:?}");
            assert_eq!(publication.children[0].executables, None);
        }
    }
}

#[tokio::test]
async fn an_image_without_layers_has_no_programs() {
    let registry = Registry::start();
    image("amd64", X86_64).layers(&[]).running(json!({})).push_as(&registry, Some("latest")).await;
    assert_eq!(read(&registry).await.children[0].executables.as_deref(), Some(&[][..]));
}

#[tokio::test]
async fn a_large_layer_is_read_in_pieces() {
    let registry = Registry::start();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(9 << 20).collect();
    let large = plain_layer(&[Entry::File("noise", noise), Entry::File("bin/app", elf(X86_64))]);
    image("amd64", X86_64).layers(&[large]).push_as(&registry, Some("latest")).await;
    let publication = read(&registry).await;
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!(publication.children[0].executables.as_ref().unwrap()[0].path, "/bin/app");
}

#[tokio::test]
async fn a_refusal_is_recorded() {
    let registry = Registry::start_with_login();
    let publication = read(&registry).await;
    assert_eq!((publication.shape, publication.missing[0].status), (ManifestKind::Absent, Some(401)));
    let client = Client::new(registry.repository().with_credentials(ACCOUNT.0, ACCOUNT.1)).unwrap();
    let publication = client.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].status, Some(404));
}
