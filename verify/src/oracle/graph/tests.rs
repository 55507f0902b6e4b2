//! Snapshots made by chance that are sound, and what becomes of each when one thing in it is broken.

use proptest::prelude::*;

use super::*;

/// A sound snapshot: so many images, lists of some of them, tags on lists, and nothing else.
fn sound() -> impl Strategy<Value = Snapshot> {
    let lists = prop::collection::vec(prop::collection::btree_set(0_usize..12, 1..4), 1..6);
    lists.prop_map(|lists| {
        let mut snapshot = Snapshot { server: "ghcr".into(), ..Snapshot::default() };
        for (number, images) in lists.into_iter().enumerate() {
            let images: Vec<String> = images.into_iter().map(|image| format!("sha256:image{image}")).collect();
            snapshot.manifests.extend(images.iter().map(|image| (image.clone(), Vec::new())));
            snapshot.manifests.insert(format!("sha256:list{number}"), images);
            snapshot.tags.insert(format!("1.{number}.0"), format!("sha256:list{number}"));
        }
        snapshot
    })
}

fn on(server: &str, snapshot: &Snapshot) -> Snapshot {
    Snapshot { server: server.into(), ..snapshot.clone() }
}

proptest! {
    #[test]
    fn sound_snapshots_pass(snapshot in sound()) {
        prop_assert_eq!(reachable(&snapshot), []);
        prop_assert_eq!(leftovers(&snapshot), []);
        let both = [on("ghcr", &snapshot), on("dockerhub", &snapshot)];
        prop_assert_eq!(equal(&both, "1.0.0"), []);
        prop_assert_eq!(untouched(&both, &both, &[]), []);
    }

    #[test]
    fn a_layer_that_is_gone_is_missed(snapshot in sound(), which in any::<prop::sample::Index>()) {
        let mut snapshot = snapshot;
        let of = which.get(&snapshot.manifests.keys().cloned().collect::<Vec<_>>()).clone();
        snapshot.missing_blobs.insert(of, vec!["sha256:layer".to_owned()]);
        let missed = reachable(&snapshot);
        prop_assert!(!missed.is_empty() && missed.iter().all(|it| it.seen == "sha256:layer is not"), "{missed:?}");
    }

    #[test]
    fn a_manifest_that_is_gone_is_missed(snapshot in sound(), which in any::<prop::sample::Index>()) {
        let mut snapshot = snapshot;
        let gone = which.get(&snapshot.manifests.keys().cloned().collect::<Vec<_>>()).clone();
        snapshot.manifests.remove(&gone);
        let violations = reachable(&snapshot);
        prop_assert!(!violations.is_empty());
        prop_assert!(violations.iter().all(|violation| violation.seen.contains(&gone)));
    }

    #[test]
    fn a_tag_that_is_gone_leaves_something_over(snapshot in sound(), which in any::<prop::sample::Index>()) {
        let mut snapshot = snapshot;
        let gone = which.get(&snapshot.tags.keys().cloned().collect::<Vec<_>>()).clone();
        let list = snapshot.tags.remove(&gone).unwrap();
        let seen: Vec<String> = leftovers(&snapshot).into_iter().map(|violation| violation.seen).collect();
        prop_assert!(seen.contains(&format!("{list} is left over")), "{:?}", seen);
        let shared: BTreeSet<&str> = snapshot.tags.keys().flat_map(|tag| snapshot.reached(tag)).collect();
        prop_assert_eq!(seen.len(), snapshot.manifests.len() - shared.len());
    }

    #[test]
    fn a_tag_that_changes_is_seen_unless_it_may(snapshot in sound(), which in any::<prop::sample::Index>()) {
        let name = which.get(&snapshot.tags.keys().cloned().collect::<Vec<_>>()).clone();
        let (mut moved, mut gone) = (on("dockerhub", &snapshot), on("dockerhub", &snapshot));
        moved.tags.insert(name.clone(), "sha256:other".into());
        gone.tags.remove(&name);
        let before = [on("ghcr", &snapshot), on("dockerhub", &snapshot)];
        for changed in [moved, gone] {
            let after = [changed, on("ghcr", &snapshot)];
            prop_assert_eq!(equal(&after, &name).len(), 1);
            prop_assert_eq!(untouched(&before, &after, &[]).len(), 1);
            prop_assert_eq!(untouched(&after, &before, &[]).len(), 1, "a new tag is a change too");
            prop_assert_eq!(untouched(&before, &after, &[&name]), []);
        }
    }
}

#[test]
fn a_tag_that_is_nowhere_is_not_equal() {
    let snapshot = Snapshot { server: "ghcr".into(), ..Snapshot::default() };
    assert_eq!(equal(&[snapshot], "latest").len(), 1);
}

#[test]
fn a_registry_that_nobody_looked_at_again_is_missed() {
    let snapshot = Snapshot { server: "ghcr".into(), ..Snapshot::default() };
    assert_eq!(untouched(&[snapshot], &[], &[]).len(), 1);
}

#[test]
fn lists_in_lists_and_circles_are_followed() {
    let manifests = [("a", vec!["b"]), ("b", vec!["c", "a"]), ("c", vec![])];
    let manifests = manifests
        .into_iter()
        .map(|(digest, children)| (digest.to_owned(), children.into_iter().map(str::to_owned).collect()))
        .collect();
    let tags = [("latest".to_owned(), "a".to_owned())].into();
    let snapshot = Snapshot { server: "ghcr".into(), tags, manifests, ..Snapshot::default() };
    assert_eq!((reachable(&snapshot), leftovers(&snapshot)), (vec![], vec![]));
}

/// A signature under a tag of its own, and an attestation that refers to the list, are part of the image.
#[test]
fn signatures_are_neither_foreign_tags_nor_left_over() {
    let [list, signature, attestation] = ["list", "signature", "attestation"].map(str::to_owned);
    let manifests = [list.clone(), attestation.clone()].map(|it| (it, Vec::new())).into();
    let unsigned = Snapshot {
        server: "ghcr".into(),
        tags: [("latest".to_owned(), list.clone())].into(),
        manifests,
        subjects: [(attestation.clone(), list)].into(),
        ..Snapshot::default()
    };
    let mut signed = unsigned.clone();
    signed.tags.insert(format!("sha256-{}.sig", "a".repeat(64)), signature.clone());
    signed.manifests.insert(signature, Vec::new());
    assert_eq!(leftovers(&signed), []);
    assert_eq!(untouched(std::slice::from_ref(&unsigned), &[signed], &[]), []);
    let orphan = Snapshot { subjects: [(attestation, "gone".to_owned())].into(), ..unsigned.clone() };
    assert_eq!(leftovers(&orphan).len(), 1, "what it refers to is gone");
    let other = Snapshot { tags: [("sha256-short".to_owned(), "list".to_owned())].into(), ..unsigned.clone() };
    assert_eq!(untouched(&[unsigned], &[other], &["latest"]).len(), 1);
}
