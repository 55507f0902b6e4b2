//! What snapshots show: a tag that leads into nothing, a manifest that no tag leads to, registries that differ, tags that
//! changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Snapshot, Violation, is_referrers_tag};

/// Everything that a tag leads to must be there.
pub fn reachable(snapshot: &Snapshot) -> Vec<Violation> {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tag in snapshot.tags.keys() {
        for digest in snapshot.reached(tag) {
            if !snapshot.manifests.contains_key(digest) {
                missing.entry(tag).or_default().push(digest);
            }
            let blobs = snapshot.missing_blobs.get(digest).into_iter().flatten();
            missing.entry(tag).or_default().extend(blobs.map(String::as_str));
        }
    }
    missing.retain(|_, digests| !digests.is_empty());
    let violation = |(tag, digests): (&str, Vec<&str>)| {
        let expected = format!("everything that {}:{tag} leads to is there", snapshot.server);
        Violation::new(expected, format!("{} is not", digests.join(", ")))
    };
    missing.into_iter().map(violation).collect()
}

/// No manifest may be left that no tag leads to. What refers to an image that is there belongs to it.
pub fn leftovers(snapshot: &Snapshot) -> Vec<Violation> {
    let reached: BTreeSet<&str> = snapshot.tags.keys().flat_map(|tag| snapshot.reached(tag)).collect();
    let refers = |digest: &String| snapshot.subjects.get(digest).is_some_and(|it| reached.contains(it.as_str()));
    let left = snapshot.manifests.keys().filter(|digest| !reached.contains(digest.as_str()) && !refers(digest));
    let expected = format!("{} holds no manifest that no tag leads to", snapshot.server);
    left.map(|digest| Violation::new(expected.clone(), format!("{digest} is left over"))).collect()
}

/// A tag must be there on all registries, and be the same everywhere.
pub fn equal(snapshots: &[Snapshot], tag: &str) -> Vec<Violation> {
    let shown: Vec<(&str, Option<&String>)> =
        snapshots.iter().map(|snapshot| (snapshot.server.as_str(), snapshot.tags.get(tag))).collect();
    let digests: BTreeSet<Option<&String>> = shown.iter().map(|(_, digest)| *digest).collect();
    if digests.len() <= 1 && !digests.contains(&None) {
        return Vec::new();
    }
    let told = |(server, digest): &(&str, Option<&String>)| format!("{server}: {}", told(*digest));
    let seen = shown.iter().map(told).collect::<Vec<_>>().join(", ");
    vec![Violation::new(format!("{tag} is there and the same on all registries"), seen)]
}

/// No tag may have changed between two snapshots of the same registries but those that may, and those of signatures.
pub fn untouched(before: &[Snapshot], after: &[Snapshot], may: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for old in before {
        let Some(new) = after.iter().find(|new| new.server == old.server) else {
            violations.push(Violation::new(format!("{} is looked at again", old.server), "it was not"));
            continue;
        };
        let names: BTreeSet<&String> = old.tags.keys().chain(new.tags.keys()).collect();
        for name in names.into_iter().filter(|name| !may.contains(&name.as_str()) && !is_referrers_tag(name)) {
            let (was, is) = (old.tags.get(name), new.tags.get(name));
            if was != is {
                let expected = format!("{}:{name} stays {}", new.server, told(was));
                violations.push(Violation::new(expected, format!("it is {}", told(is))));
            }
        }
    }
    violations
}

fn told(digest: Option<&String>) -> &str {
    digest.map_or("absent", String::as_str)
}

#[cfg(test)]
mod tests;
