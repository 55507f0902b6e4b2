//! What checks ask of published images: those that were looked at, and what a run has left under a tag, read from every
//! registry down to the layers.

use super::prelude::*;
use crate::{
    client::{Child, ManifestKind, Publication},
    harness::podman::ContainerRun,
    scenario::SOURCE_LABEL,
};

/// The label by which images name their commit (OCI image specification, annotations).
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// What was read of published images. The claim is unknown if nothing was.
pub(super) fn publications(evidence: &Evidence) -> Result<&[Publication], Inconclusive> {
    require(!evidence.publications.is_empty(), "no published image was looked at")?;
    Ok(&evidence.publications)
}

/// The published images whose manifests could be read, each with its name: `ghcr:latest linux/arm64`.
pub(super) fn images(evidence: &Evidence) -> Result<Vec<(String, &Child)>, Inconclusive> {
    let all = publications(evidence)?.iter().flat_map(named).filter(|(_, child)| child.manifest.is_some());
    let images: Vec<_> = all.collect();
    require(!images.is_empty(), "no image could be read")?;
    Ok(images)
}

/// The images of a publication, each with its name.
fn named(publication: &Publication) -> impl Iterator<Item = (String, &Child)> {
    let name = |child: &Child| format!("{} {}", publication.name(), child.platform_name());
    publication.platforms().map(move |child| (name(child), child))
}

/// How podman ran published images. The claim is unknown if it ran none.
pub(super) fn containers(evidence: &Evidence) -> Result<&[ContainerRun], Inconclusive> {
    require(!evidence.containers.is_empty(), "no published image was run")?;
    Ok(&evidence.containers)
}

/// A violation for each published reference that is not there.
pub(super) fn absent(evidence: &Evidence) -> Judgement {
    let absent = publications(evidence)?.iter().filter(|publication| !publication.is_there());
    Ok(absent.map(|it| Violation::new(format!("{} is there", it.name()), "it is not")).collect())
}

/// A violation for everything that a publication names and that cannot be read.
pub(super) fn missing(publication: &Publication) -> Vec<Violation> {
    let expected = |what: &str| format!("{}: {what} can be read", publication.name());
    publication.missing.iter().map(|it| Violation::new(expected(&it.what), it.to_string())).collect()
}

/// A violation for every program that is not made for its image's platform, or is not there.
pub(super) fn unusable(publication: &Publication) -> Vec<Violation> {
    let programs = named(publication).flat_map(|(name, child)| {
        child.unusable_executables().map(move |it| (format!("{name}: {} runs there", it.path), it.kind.clone()))
    });
    programs.map(|(expected, kind)| Violation::new(expected, format!("it is {kind:?}"))).collect()
}

/// Violations unless a tag of every registry leads to images of the commit that a run was for.
pub(super) fn of_this_build(evidence: &Evidence, name: &str, tag: &str) -> Judgement {
    let run = run(evidence, name)?;
    Ok(each(evidence, run, tag, |publication| of_commit(evidence, run, publication)))
}

/// Violations unless a tag of every registry leads to the image that a run was for, all of it: a list of these platforms,
/// with nothing missing, and programs that run there.
pub(super) fn whole(evidence: &Evidence, name: &str, tag: &str, platforms: &[&str]) -> Judgement {
    let run = run(evidence, name)?;
    Ok(each(evidence, run, tag, |it| {
        [of_commit(evidence, run, it), missing(it), unusable(it), covers(it, platforms)].concat()
    }))
}

/// Violations unless a tag of every registry names one image for each of both platforms.
pub(super) fn covers_platforms(evidence: &Evidence, name: &str, tag: &str) -> Judgement {
    Ok(each(evidence, run(evidence, name)?, tag, |publication| covers(publication, &PLATFORMS)))
}

fn each(evidence: &Evidence, run: &Run, tag: &str, judge: impl Fn(&Publication) -> Vec<Violation>) -> Vec<Violation> {
    let on = |server: &String| match evidence.published(server, tag, &run.name) {
        Some(publication) if publication.is_there() => judge(publication),
        _ => vec![Violation::new(format!("{server} has {tag} after `{}`", run.name), "it has no such tag")],
    };
    evidence.registries.iter().flat_map(on).collect()
}

/// Each commit's Containerfile sets a label of its own. The label for commits need not be there, but may not be wrong.
fn of_commit(evidence: &Evidence, run: &Run, publication: &Publication) -> Vec<Violation> {
    let mark = evidence.source_marks.get(&run.commit).map(String::as_str);
    let wrong = |(name, child): (String, &Child)| {
        let at = format!("{name} after `{}`", run.name);
        let made_of = child.label(SOURCE_LABEL);
        if made_of != mark {
            let expected = format!("{at} is made of that run's source, {mark:?}");
            return Some(Violation::new(expected, format!("{made_of:?}")));
        }
        let says = child.label(REVISION_LABEL).filter(|says| *says != run.commit)?;
        Some(Violation::new(format!("{at} names that run's commit, {}", run.commit), says))
    };
    named(publication).filter_map(wrong).collect()
}

fn covers(publication: &Publication, platforms: &[&str]) -> Vec<Violation> {
    let mut listed: Vec<String> = publication.platforms().map(|child| usual(&child.platform_name())).collect();
    listed.sort();
    let own = |child: &Child| child.config.as_ref()?.facts.platform.as_ref().map(|own| usual(&own.name()));
    let mut said: Vec<String> = publication.platforms().filter_map(own).collect();
    said.sort();
    unless(
        publication.shape == ManifestKind::List && listed == platforms && said == platforms,
        format!("{} is a list of {}", publication.name(), platforms.join(", ")),
        format!("it is a {:?} of {}, whose images say {}", publication.shape, listed.join(", "), said.join(", ")),
    )
}

/// A platform's name without the variant that it has anyway.
pub(super) fn usual(platform: &str) -> String {
    platform.strip_suffix("arm64/v8").map_or_else(|| platform.to_owned(), |os| format!("{os}arm64"))
}
