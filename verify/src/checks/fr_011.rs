//! FR-011: each published tag is one multi-architecture manifest list.

use super::{
    images::{absent, missing, publications},
    prelude::*,
};
use crate::client::{Child, ManifestKind, Publication};

/// Docker's manifest list.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::image("every_tag_is_a_docker_manifest_list", &["FR-011", "FR-010"], docker_list),
    Check::image("every_list_is_whole", &["FR-011", "SC-002"], whole),
    Check::image("every_descriptor_tells_the_truth", &["FR-011"], truth),
    Check::image("no_platform_is_listed_twice", &["FR-011", "FR-003"], once),
];

fn docker_list(evidence: &Evidence) -> Judgement {
    let mut violations = absent(evidence)?;
    for (publication, root) in publications(evidence)?.iter().filter_map(|it| Some((it, it.root.as_ref()?))) {
        let own = root.own_media_type.as_deref().unwrap_or("nothing");
        let good = publication.shape == ManifestKind::List && own == DOCKER_LIST && root.media_type == DOCKER_LIST;
        let seen = format!("it says {own} and is sent as {}", root.media_type);
        violations.extend(unless(good, format!("{} is {DOCKER_LIST}", publication.name()), seen));
    }
    Ok(violations)
}

/// Everything that a list names is there.
fn whole(evidence: &Evidence) -> Judgement {
    Ok(absent(evidence)?.into_iter().chain(publications(evidence)?.iter().flat_map(missing)).collect())
}

/// Digests and sizes are those of the bytes.
fn truth(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        violations.extend(stated_digests(publication));
        for child in &publication.children {
            let at = format!("{} {}", publication.name(), child.platform_name());
            if let (Some(descriptor), Some(manifest)) = (&child.descriptor, &child.manifest) {
                let stated = format!("{} bytes, {}", descriptor.size, descriptor.digest);
                let real = format!("{} bytes, {}", manifest.raw.size(), manifest.digest);
                violations.extend(unless(stated == real, format!("{at}: the manifest has {stated}"), real));
            }
            for (descriptor, content) in
                child.layers.iter().filter_map(|it| Some((&it.descriptor, it.content.as_ref()?)))
            {
                let stated = format!("{} bytes, {}", descriptor.size, descriptor.digest);
                let real = format!("{} bytes, {}", content.size, content.digest);
                violations.extend(unless(stated == real, format!("{at}: a layer has {stated}"), real));
            }
            violations.extend(unpacked(&at, child));
        }
    }
    Ok(violations)
}

/// What the layers unpack to must be what the configuration says, in its order.
fn unpacked(at: &str, child: &Child) -> Vec<Violation> {
    let found: Option<Vec<&str>> = child.layers.iter().map(|it| it.content.as_ref()?.diff_id.as_deref()).collect();
    let (Some(config), Some(found)) = (&child.config, found) else { return Vec::new() };
    let stated = &config.facts.diff_ids;
    unless(found == *stated, format!("{at}: layers unpack to {stated:?}"), format!("{found:?}"))
}

fn stated_digests(publication: &Publication) -> Vec<Violation> {
    let manifests = publication.root.iter().chain(publication.children.iter().filter_map(|it| it.manifest.as_ref()));
    let stated = manifests.filter_map(|it| Some((&it.digest, it.stated_digest.as_deref()?)));
    let expected = |digest| format!("{}: the registry says {digest}", publication.name());
    stated.flat_map(|(digest, stated)| unless(stated == digest, expected(digest), stated)).collect()
}

fn once(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for publication in publications(evidence)? {
        let mut names: Vec<String> = publication.platforms().map(Child::platform_name).collect();
        names.sort();
        let again = names.windows(2).filter(|pair| pair[0] == pair[1]);
        let expected = |platform| format!("{} lists {platform} once", publication.name());
        violations.extend(again.map(|pair| Violation::new(expected(&pair[0]), "it lists it again")));
    }
    Ok(violations)
}
