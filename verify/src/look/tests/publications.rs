//! What is read of lists, images and layers, and that each flaw is told.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    image::{
        AARCH64, DOCKER, Entry, Family, LayerBytes, OCI, X86_64, archive, elf, image, layer, member, plain_layer,
        push_good, push_list,
    },
    registry::{ACCOUNT, Registry},
};
use crate::look::{Child, Depth, Publication, Raw, Shape, integrity};

/// What is wrong with a publication: expected and seen.
fn flaws(publication: &Publication) -> Vec<String> {
    integrity(publication).into_iter().map(|it| format!("{}, but {}", it.expected, it.seen)).collect()
}

/// Looks at `latest`, layers too.
async fn look(registry: &Registry) -> Publication {
    registry.looker().publication("latest", Depth::Layers).await.unwrap()
}

#[rstest]
#[case::docker(DOCKER)]
#[case::oci(OCI)]
#[tokio::test]
async fn a_good_image_is_read_to_the_ground(
    #[case] family: Family,
    #[values(Depth::Manifests, Depth::Layers)] depth: Depth,
) {
    let registry = Registry::start();
    let digest = push_good(&registry, "latest", family).await;
    let publication = registry.looker().publication("latest", depth).await.unwrap();
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!((publication.shape, publication.digest()), (Shape::List, Some(&*digest)));
    let root = publication.root.as_ref().unwrap();
    assert_eq!((&*root.media_type, root.own_media_type.as_deref()), (family.list, Some(family.list)));
    assert_eq!(root.stated_digest.as_deref(), Some(&*digest));
    assert_eq!(publication.entries().count(), 2);
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
    let publication = look(&registry).await;
    let saved = serde_json::to_string(&publication).unwrap();
    assert_eq!(serde_json::from_str::<Publication>(&saved).unwrap(), publication);
}

#[tokio::test]
async fn a_digest_leads_to_the_same() {
    let registry = Registry::start();
    let digest = push_good(&registry, "latest", DOCKER).await;
    let publication = registry.looker().publication(&digest, Depth::Manifests).await.unwrap();
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!(publication.digest(), Some(&*digest));
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_absent() {
    let registry = Registry::start();
    let publication = look(&registry).await;
    assert_eq!((publication.shape, publication.is_there()), (Shape::Absent, false));
    assert_eq!(publication.missing[0].status, Some(404));
    assert!(flaws(&publication)[0].starts_with("ghcr:latest: manifest latest can be read, but 404 "));
}

#[tokio::test]
async fn a_tag_that_names_one_image_is_no_list() {
    let registry = Registry::start();
    image("amd64", X86_64).push_as(&registry, Some("latest")).await;
    let publication = look(&registry).await;
    assert_eq!((publication.shape, publication.entries().count()), (Shape::Image, 0));
    assert_eq!(publication.platforms().next().unwrap().platform_name(), "linux/amd64");
    assert_eq!(flaws(&publication), [""; 0]);
}

#[tokio::test]
async fn attestations_are_no_platforms() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let mut attestation = image("unknown", X86_64).push(&registry).await;
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64["digest"],
    });
    push_list(&registry, "latest", OCI, &[amd64, attestation.clone()]).await;
    let publication = look(&registry).await;
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!((publication.children.len(), publication.platforms().count()), (2, 1));
    registry.delete(&format!("manifests/{}", attestation["digest"].as_str().unwrap())).await;
    assert!(flaws(&look(&registry).await)[0].contains("attestation sha256:"));
}

#[tokio::test]
async fn a_missing_child_is_told_and_the_other_is_read() {
    let registry = Registry::start();
    let amd64 = image("amd64", X86_64).push(&registry).await;
    let arm64 = image("arm64", AARCH64).push(&registry).await;
    let digest = amd64["digest"].as_str().unwrap().to_owned();
    push_list(&registry, "latest", DOCKER, &[amd64, arm64]).await;
    registry.delete(&format!("manifests/{digest}")).await;
    let publication = look(&registry).await;
    let flaws = flaws(&publication);
    assert_eq!(flaws.len(), 1);
    assert!(flaws[0].starts_with(&format!("ghcr:latest: manifest {digest} can be read, but 404 ")), "{flaws:?}");
    assert!(publication.platform("linux/amd64").unwrap().manifest.is_none());
    assert!(publication.platform("linux/arm64").unwrap().executables.is_some());
}

#[rstest]
#[tokio::test]
async fn a_missing_layer_is_told(#[values(Depth::Manifests, Depth::Layers)] depth: Depth) {
    let registry = Registry::start();
    let pushed = image("amd64", X86_64);
    pushed.push_as(&registry, Some("latest")).await;
    let digest = Raw::from(pushed.layers[0].bytes.clone()).digest();
    registry.delete(&format!("blobs/{digest}")).await;
    let publication = registry.looker().publication("latest", depth).await.unwrap();
    assert_eq!(flaws(&publication).len(), 1);
    assert_eq!(
        (&*publication.missing[0].what, publication.missing[0].status),
        (&*format!("layer {digest}"), Some(404))
    );
    assert_eq!(publication.children[0].executables, None);
}

/// A list with one entry, made from a good one by a change.
async fn listed_wrongly(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let registry = Registry::start();
    let mut entry = image("amd64", X86_64).push(&registry).await;
    change(&mut entry);
    push_list(&registry, "latest", DOCKER, &[entry]).await;
    flaws(&look(&registry).await)
}

#[tokio::test]
async fn a_wrong_size_in_the_list_is_told() {
    let told = listed_wrongly(|entry| entry["size"] = json!(7)).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("ghcr:latest: the size of the manifest for linux/amd64 is 7, but it is "), "{told:?}");
}

#[tokio::test]
async fn a_wrong_media_type_in_the_list_is_told() {
    let told = listed_wrongly(|entry| entry["mediaType"] = json!(OCI.manifest)).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("the media type of the manifest for linux/amd64 is application/vnd.oci"), "{told:?}");
}

#[tokio::test]
async fn a_platform_that_the_image_does_not_have_is_told() {
    let told = listed_wrongly(|entry| entry["platform"]["architecture"] = json!("arm64")).await;
    let expected =
        "ghcr:latest: the platform in the configuration for linux/arm64 is linux/arm64, but it is linux/amd64";
    assert_eq!(told, [expected]);
}

#[tokio::test]
async fn a_variant_that_only_one_side_names_is_no_flaw() {
    assert_eq!(listed_wrongly(|entry| entry["platform"]["variant"] = json!("v1")).await, [""; 0]);
}

#[tokio::test]
async fn a_platform_that_is_listed_twice_is_told() {
    let registry = Registry::start();
    let entry = image("amd64", X86_64).push(&registry).await;
    push_list(&registry, "latest", DOCKER, &[entry.clone(), entry]).await;
    assert_eq!(flaws(&look(&registry).await), ["ghcr:latest: each platform is listed once, but linux/amd64 again"]);
}

#[tokio::test]
async fn an_empty_list_is_told() {
    let registry = Registry::start();
    push_list(&registry, "latest", DOCKER, &[]).await;
    assert_eq!(flaws(&look(&registry).await), ["ghcr:latest: its list names an image, but it names none"]);
}

#[tokio::test]
async fn a_changed_layer_is_told() {
    let registry = Registry::start();
    let pushed = image("amd64", X86_64);
    pushed.push_as(&registry, Some("latest")).await;
    let digest = Raw::from(pushed.layers[0].bytes.clone()).digest();
    registry.corrupt(&digest, &layer(&[Entry::File("bin/app", elf(AARCH64))]).bytes);
    let told = flaws(&look(&registry).await);
    assert!(told.iter().any(|it| it.contains("the digest of layer 1 for linux/amd64")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("layer 1 for linux/amd64, unpacked, is")), "{told:?}");
}

#[tokio::test]
async fn a_changed_configuration_is_told() {
    let registry = Registry::start();
    image("amd64", X86_64).push_as(&registry, Some("latest")).await;
    let digest = look(&registry).await.children[0].config.as_ref().unwrap().digest.clone();
    registry.corrupt(&digest, b"{");
    let told = flaws(&look(&registry).await);
    assert!(told.iter().any(|it| it.contains(&format!("configuration {digest} can be read"))), "{told:?}");
    assert!(told.iter().any(|it| it.contains("the digest of the configuration")), "{told:?}");
}

#[tokio::test]
async fn a_diff_id_that_is_not_the_layers_is_told() {
    let registry = Registry::start();
    let wrong = LayerBytes { diff_id: Raw::default().digest(), ..layer(&[]) };
    image("amd64", X86_64).layers(&[wrong]).push_as(&registry, Some("latest")).await;
    let told = flaws(&look(&registry).await);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("layer 1 for linux/amd64, unpacked, is sha256:e3b0c442"), "{told:?}");
}

#[rstest]
#[case::several_gzip_members(|archive: &[u8]| [member(&archive[..700]), member(&archive[700..])].concat(), None)]
#[case::not_compressed(|archive: &[u8]| archive.to_vec(), None)]
#[case::cut_off(|archive: &[u8]| { let whole = member(archive); whole[..whole.len() - 9].to_vec() }, Some("does not unpack"))]
#[case::zstandard(|_: &[u8]| b"\x28\xb5\x2f\xfd....".to_vec(), Some("Zstandard"))]
#[case::no_archive(|_: &[u8]| member(&[b'x'; 2048]), Some("the programs of linux/amd64"))]
#[tokio::test]
async fn layers_unpack_or_it_is_told_why_not(#[case] packed: fn(&[u8]) -> Vec<u8>, #[case] flaw: Option<&str>) {
    let registry = Registry::start();
    let archive = archive(&[Entry::File("bin/app", elf(X86_64))]);
    let bytes = packed(&archive);
    let unpacked = if flaw == Some("the programs of linux/amd64") { vec![b'x'; 2048] } else { archive };
    let layer = LayerBytes { bytes: bytes.clone(), diff_id: Raw::from(unpacked).digest() };
    image("amd64", X86_64).layers(&[layer]).push_as(&registry, Some("latest")).await;
    let publication = look(&registry).await;
    let content = publication.children[0].layers[0].content.as_ref().unwrap();
    assert_eq!((content.size, &content.digest), (bytes.len() as u64, &Raw::from(bytes).digest()));
    let told = flaws(&publication);
    match flaw {
        None => assert_eq!((told.len(), publication.children[0].executables.as_ref().map(Vec::len)), (0, Some(1))),
        Some(flaw) => {
            assert!(told.len() == 1 && told[0].contains(flaw), "{told:?}");
            assert_eq!(publication.children[0].executables, None);
        }
    }
}

#[tokio::test]
async fn an_image_without_layers_has_no_programs() {
    let registry = Registry::start();
    image("amd64", X86_64).layers(&[]).running(json!({})).push_as(&registry, Some("latest")).await;
    assert_eq!(look(&registry).await.children[0].executables.as_deref(), Some(&[][..]));
}

#[tokio::test]
async fn a_large_layer_is_read_in_pieces() {
    let registry = Registry::start();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(9 << 20).collect();
    let large = plain_layer(&[Entry::File("noise", noise), Entry::File("bin/app", elf(X86_64))]);
    image("amd64", X86_64).layers(&[large]).push_as(&registry, Some("latest")).await;
    let publication = look(&registry).await;
    assert_eq!(flaws(&publication), [""; 0]);
    assert_eq!(publication.children[0].executables.as_ref().unwrap()[0].path, "/bin/app");
}

#[tokio::test]
async fn who_may_not_look_sees_that_it_is_refused() {
    let registry = Registry::start_with_login();
    let publication = look(&registry).await;
    assert_eq!((publication.shape, publication.missing[0].status), (Shape::Absent, Some(401)));
    let looker = crate::look::Looker::new(registry.place().with_credentials(ACCOUNT.0, ACCOUNT.1)).unwrap();
    let publication = looker.publication("latest", Depth::Manifests).await.unwrap();
    assert_eq!(publication.missing[0].status, Some(404));
}
