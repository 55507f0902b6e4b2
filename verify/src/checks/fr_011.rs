//! FR-011: each published tag is one multi-architecture manifest list.

use super::support::{absent, publications};
use crate::{
    check::{Check, Judgement},
    client::{ManifestKind, Publication},
    evidence::Evidence,
    oracle::Violation,
};

/// Docker's manifest list.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::looking("every_tag_is_a_docker_manifest_list", &["FR-011", "FR-010"], docker_list),
    Check::looking("every_list_is_whole", &["FR-011", "SC-002"], whole),
    Check::looking("every_descriptor_tells_the_truth", &["FR-011"], truth),
    Check::looking("no_platform_is_listed_twice", &["FR-011", "FR-003"], once),
];

fn docker_list(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    for publication in publications(evidence)? {
        let Some(root) = &publication.root else { continue };
        let own = root.own_media_type.as_deref().unwrap_or("nothing");
        if publication.shape != ManifestKind::List || own != DOCKER_LIST || root.media_type != DOCKER_LIST {
            let seen = format!("it says {own} and is sent as {}", root.media_type);
            violations.push(Violation::new(format!("{} is {DOCKER_LIST}", publication.name()), seen));
        }
    }
    Ok(violations)
}

/// Everything that a list names is there.
fn whole(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    for publication in publications(evidence)? {
        for missing in &publication.missing {
            let expected = format!("{}: {} can be read", publication.name(), missing.what);
            violations.push(Violation::new(expected, missing.to_string()));
        }
    }
    Ok(violations)
}

/// Digests and sizes are those of the bytes.
fn truth(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        violations.extend(stated_digests(publication));
        for child in &publication.children {
            let at = format!("{} {}", publication.name(), child.platform_name());
            if let (Some(descriptor), Some(manifest)) = (&child.descriptor, &child.manifest) {
                let (size, digest) = (manifest.raw.size(), &manifest.digest);
                if descriptor.size != size || descriptor.digest != *digest {
                    let expected = format!("{at}: the manifest has {} bytes, {}", descriptor.size, descriptor.digest);
                    violations.push(Violation::new(expected, format!("{size} bytes, {digest}")));
                }
            }
            for layer in &child.layers {
                let Some(content) = &layer.content else { continue };
                let (size, digest) = (layer.descriptor.size, &layer.descriptor.digest);
                if content.size != size || content.digest != *digest {
                    let expected = format!("{at}: a layer has {size} bytes, {digest}");
                    violations.push(Violation::new(expected, format!("{} bytes, {}", content.size, content.digest)));
                }
            }
            violations.extend(unpacked(&at, child));
        }
    }
    Ok(violations)
}

/// What the layers unpack to must be what the configuration says, in its order.
fn unpacked(at: &str, child: &crate::client::Child) -> Vec<Violation> {
    let Some(config) = &child.config else { return Vec::new() };
    let found: Option<Vec<&str>> = child.layers.iter().map(|it| it.content.as_ref()?.diff_id.as_deref()).collect();
    match found {
        Some(found) if found != config.facts.diff_ids => {
            vec![Violation::new(format!("{at}: layers unpack to {:?}", config.facts.diff_ids), format!("{found:?}"))]
        }
        _ => Vec::new(),
    }
}

fn stated_digests(publication: &Publication) -> Vec<Violation> {
    let manifests = publication.root.iter().chain(publication.children.iter().filter_map(|it| it.manifest.as_ref()));
    let lies = manifests.filter(|it| it.stated_digest.as_ref().is_some_and(|stated| *stated != it.digest));
    lies.map(|it| {
        let expected = format!("{}: the registry says {}", publication.name(), it.digest);
        Violation::new(expected, it.stated_digest.clone().unwrap_or_default())
    })
    .collect()
}

fn once(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        let mut names: Vec<String> = publication.platforms().map(crate::client::Child::platform_name).collect();
        names.sort();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            violations
                .push(Violation::new(format!("{} lists {} once", publication.name(), pair[0]), "it lists it again"));
        }
    }
    Ok(violations)
}
