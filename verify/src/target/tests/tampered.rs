//! Each way to tamper with a publication, and which checks must find it.

use rstest::rstest;
use serde_json::{Value, json};

use super::published::{Published, Side, looking};
use crate::{
    client::tests::image::{
        AARCH64, DOCKER, Entry, Family, ImageToPush, LayerBytes, OCI, X86_64, elf, image, layer, push_list,
    },
    verdict::Verdict,
};

const BOTH: &str = "fr_003::every_tag_covers_both_platforms";
const AGREE: &str = "fr_003::list_and_image_agree_on_the_platform";
const MACHINE: &str = "fr_003::every_program_is_made_for_its_platform";
const MEDIA_TYPES: &str = "fr_010::every_image_has_dockers_media_types";
const HEALTH_CHECK: &str = "fr_010::the_health_check_is_in_every_image";
const LIST: &str = "fr_011::every_tag_is_a_docker_manifest_list";
const WHOLE: &str = "fr_011::every_list_is_whole";
const TRUTH: &str = "fr_011::every_descriptor_tells_the_truth";
const ONCE: &str = "fr_011::no_platform_is_listed_twice";
const SAME: &str = "sc_002::a_tag_has_the_same_digest_on_all_registries";

/// What somebody did to the image under `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tampering {
    None,
    Amd64ProgramInArm64,
    ConfigurationSaysAmd64,
    MissingChild,
    MissingLayer,
    ChangedLayer,
    OciFormat,
    OciIndex,
    LostHealthCheck,
    OnePlatform,
    OneImage,
    ListedTwice,
    WrongSize,
    Moved,
    MovedOnOneRegistry,
    DigestsDiffer,
    GoneFromOneRegistry,
}

fn amd64() -> ImageToPush {
    image("amd64", X86_64)
}

fn arm64() -> ImageToPush {
    image("arm64", AARCH64)
}

/// The same image with another program: another digest.
fn other(image: ImageToPush, machine: u16) -> ImageToPush {
    image.layers(&[program(machine, "other")])
}

fn program(machine: u16, text: &str) -> LayerBytes {
    layer(&[Entry::File("bin/app", elf(machine)), Entry::File("etc/text", text.as_bytes().to_vec())])
}

async fn list(side: &Side, family: Family, entries: &[Value]) -> String {
    push_list(&side.registry, "latest", family, entries).await
}

/// Publishes a good image on a registry, and tampers with it; the digest that was published.
async fn publish(side: &Side, tampering: Tampering, last: bool) -> String {
    let registry = &side.registry;
    let good = [amd64().push(registry).await, arm64().push(registry).await];
    let digest = list(side, DOCKER, &good).await;
    let mut entries = good.clone();
    let arm64_digest = good[1]["digest"].as_str().unwrap().to_owned();
    let without_health_check = json!({"Entrypoint": ["/bin/app"]});
    match tampering {
        Tampering::Amd64ProgramInArm64 => {
            entries[1] = arm64().layers(&amd64().layers).push(registry).await;
            list(side, DOCKER, &entries).await;
        }
        Tampering::ConfigurationSaysAmd64 => {
            entries[1] = ImageToPush { architecture: "amd64", ..arm64() }.push(registry).await;
            entries[1]["platform"]["architecture"] = json!("arm64");
            list(side, DOCKER, &entries).await;
        }
        Tampering::MissingChild => registry.delete(&format!("manifests/{arm64_digest}")).await,
        Tampering::MissingLayer => {
            let layer = crate::client::Raw::from(arm64().layers[0].bytes.clone()).digest();
            registry.delete(&format!("blobs/{layer}")).await;
        }
        Tampering::ChangedLayer => {
            let layer = crate::client::Raw::from(arm64().layers[0].bytes.clone()).digest();
            registry.corrupt(&layer, &program(AARCH64, "changed").bytes);
        }
        Tampering::OciFormat => {
            for entry in [(0, amd64()), (1, arm64())] {
                let image = ImageToPush { family: OCI, ..entry.1 }.running(without_health_check.clone());
                entries[entry.0] = image.push(registry).await;
            }
            list(side, OCI, &entries).await;
        }
        Tampering::OciIndex => drop(list(side, OCI, &entries).await),
        Tampering::LostHealthCheck => {
            entries[1] = arm64().running(without_health_check).push(registry).await;
            list(side, DOCKER, &entries).await;
        }
        Tampering::OnePlatform => drop(list(side, DOCKER, &entries[..1]).await),
        Tampering::OneImage => drop(amd64().push_as(registry, Some("latest")).await),
        Tampering::ListedTwice => drop(list(side, DOCKER, &[&entries[..], &entries[..1]].concat()).await),
        Tampering::WrongSize => {
            entries[0]["size"] = json!(7);
            list(side, DOCKER, &entries).await;
        }
        Tampering::GoneFromOneRegistry if last => registry.delete(&format!("manifests/{digest}")).await,
        Tampering::MovedOnOneRegistry | Tampering::DigestsDiffer if !last => {}
        Tampering::Moved | Tampering::MovedOnOneRegistry | Tampering::DigestsDiffer => {
            entries = [other(amd64(), X86_64).push(registry).await, other(arm64(), AARCH64).push(registry).await];
            list(side, DOCKER, &entries).await;
        }
        Tampering::None | Tampering::GoneFromOneRegistry => {}
    }
    digest
}

#[rstest]
#[case(Tampering::None, &[], "")]
#[case(Tampering::Amd64ProgramInArm64, &[MACHINE], "x86_64")]
#[case(Tampering::ConfigurationSaysAmd64, &[AGREE], "it says linux/amd64")]
// Which machine a program is for that is not there, cannot be said to be right either.
#[case(Tampering::MissingChild, &[MACHINE, WHOLE], "404")]
#[case(Tampering::MissingLayer, &[MACHINE, WHOLE], "404")]
#[case(Tampering::ChangedLayer, &[TRUTH], "bytes, sha256:")]
#[case(Tampering::OciFormat, &[MEDIA_TYPES, HEALTH_CHECK, LIST], "application/vnd.oci.image.")]
#[case(Tampering::OciIndex, &[LIST], "application/vnd.oci.image.index")]
#[case(Tampering::LostHealthCheck, &[HEALTH_CHECK], "it has none")]
#[case(Tampering::OnePlatform, &[BOTH], "it has linux/amd64")]
// What is one image is no list, and covers one platform.
#[case(Tampering::OneImage, &[BOTH, LIST], "it has linux/amd64")]
#[case(Tampering::ListedTwice, &[ONCE], "it lists it again")]
#[case(Tampering::WrongSize, &[TRUTH], "bytes, sha256:")]
#[case(Tampering::DigestsDiffer, &[SAME], "sha256:")]
// Nothing that is expected of a tag holds where the tag is gone; the machine of its programs is unknown.
#[case(Tampering::GoneFromOneRegistry, &[BOTH, MACHINE, LIST, WHOLE, SAME], "it is not")]
#[tokio::test]
async fn each_tampering_fails_what_it_breaks_and_nothing_else(
    #[case] tampering: Tampering,
    #[case] expected: &[&str],
    #[case] seen: &str,
) {
    let published = Published::start(false).await;
    publish(&published.ghcr, tampering, false).await;
    publish(&published.dockerhub, tampering, true).await;
    let live = published.live(published.options(&["latest"])).await;
    let evidence = live.take().await;
    assert_eq!(evidence.trouble, [""; 0]);
    let checks = looking();
    let judged = live.judge(&checks, &evidence);
    let local = published.local(&["latest"]).await;
    let locally: Vec<_> = checks.iter().map(|check| (check.id(), check.verdict(&local).word())).collect();
    let verdicts: Vec<_> = judged.iter().map(|(check, verdict)| (check.id(), verdict.word())).collect();
    assert_eq!(verdicts, locally, "live and local differ");
    let failed: Vec<&str> = verdicts.iter().filter(|(_, word)| *word != "PASS").map(|(id, _)| id.as_str()).collect();
    assert_eq!(failed, expected);
    if !expected.is_empty() {
        let failed = judged.iter().filter(|(_, verdict)| !verdict.is_green());
        let unknown = failed.clone().filter(|(_, verdict)| !matches!(verdict, Verdict::Fail { .. }));
        let unknown: Vec<_> = unknown.map(|(check, _)| check.id()).collect();
        assert_eq!(unknown, [MACHINE].map(String::from)[..usize::from(tampering == Tampering::GoneFromOneRegistry)]);
        assert!(failed.map(|(_, verdict)| format!("{verdict:?}")).any(|text| text.contains(seen)), "{judged:?}");
    }
}

#[rstest]
#[case(Tampering::None, &[])]
#[case(Tampering::Moved, &[SAME])]
#[case(Tampering::MovedOnOneRegistry, &[SAME])]
#[tokio::test]
async fn a_tag_that_is_not_what_was_published_is_told(#[case] tampering: Tampering, #[case] expected: &[&str]) {
    let published = Published::start(false).await;
    let digest = publish(&published.ghcr, tampering, false).await;
    publish(&published.dockerhub, tampering, true).await;
    let mut options = published.options(&["latest"]);
    options.expect_digest = Some(digest.clone());
    let live = published.live(options).await;
    let evidence = live.take().await;
    let judged = live.judge(&looking(), &evidence);
    let failed: Vec<String> =
        judged.iter().filter(|(_, verdict)| !verdict.is_green()).map(|(check, _)| check.id()).collect();
    assert_eq!(failed, expected);
    let moved = judged.iter().find_map(|(_, verdict)| match verdict {
        Verdict::Fail { violations } => Some(violations.len()),
        _ => None,
    });
    let count = match tampering {
        Tampering::Moved => Some(2),
        Tampering::MovedOnOneRegistry => Some(1),
        _ => None,
    };
    assert_eq!(moved, count);
}
