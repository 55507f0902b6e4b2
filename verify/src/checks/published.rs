//! What a run has left under a tag: its own image, read from every registry down to the layers.

use super::support::run;
use crate::{
    check::Judgement,
    client::{Child, ManifestKind, Publication},
    evidence::{Evidence, Run},
    oracle::Violation,
    scenario::SOURCE_LABEL,
};

/// The label by which images name their commit (OCI image specification, annotations).
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// Violations unless a tag of every registry leads to images of the commit that a run was for.
pub(super) fn of_this_build(evidence: &Evidence, name: &str, tag: &str) -> Judgement {
    let run = run(evidence, name)?;
    Ok(each(evidence, run, tag, |publication| of_commit(evidence, run, publication)))
}

/// Violations unless a tag of every registry leads to the image that a run was for, all of it: a list of these platforms,
/// with nothing missing, and programs that run there.
pub(super) fn whole(evidence: &Evidence, name: &str, tag: &str, platforms: &[&str]) -> Judgement {
    let run = run(evidence, name)?;
    let judged = |publication: &Publication| {
        [of_commit(evidence, run, publication), complete(publication), covers(publication, platforms)].concat()
    };
    Ok(each(evidence, run, tag, judged))
}

fn each(evidence: &Evidence, run: &Run, tag: &str, judge: impl Fn(&Publication) -> Vec<Violation>) -> Vec<Violation> {
    let on = |server: &String| match evidence.published(server, tag, &run.name) {
        Some(publication) if publication.is_there() => judge(publication),
        _ => vec![Violation::new(format!("{server} has {tag} after `{}`", run.name), "it has no such tag")],
    };
    evidence.registries.iter().flat_map(on).collect()
}

/// Each commit's Containerfile sets a label of its own. The label for commits need not be there, but may not lie.
fn of_commit(evidence: &Evidence, run: &Run, publication: &Publication) -> Vec<Violation> {
    let mark = evidence.source_marks.get(&run.commit).map(String::as_str);
    let wrong = |child: &Child| {
        let at = format!("{} {} after `{}`", publication.name(), child.platform_name(), run.name);
        let made_of = child.label(SOURCE_LABEL);
        if made_of != mark {
            return Some(Violation::new(
                format!("{at} is made of that run's source, {mark:?}"),
                format!("{made_of:?}"),
            ));
        }
        let says = child.label(REVISION_LABEL).filter(|says| *says != run.commit)?;
        Some(Violation::new(format!("{at} names that run's commit, {}", run.commit), says.to_owned()))
    };
    publication.platforms().filter_map(wrong).collect()
}

fn complete(publication: &Publication) -> Vec<Violation> {
    let missing = publication.missing.iter();
    let mut violations: Vec<Violation> = missing
        .map(|it| Violation::new(format!("{}: {} can be read", publication.name(), it.what), it.to_string()))
        .collect();
    for child in publication.platforms() {
        let at = format!("{} {}", publication.name(), child.platform_name());
        violations.extend(
            child
                .unusable_executables()
                .map(|it| Violation::new(format!("{at}: {} runs there", it.path), format!("it is {:?}", it.kind))),
        );
    }
    violations
}

fn covers(publication: &Publication, platforms: &[&str]) -> Vec<Violation> {
    let mut listed: Vec<String> = publication.platforms().map(|child| usual(&child.platform_name())).collect();
    listed.sort();
    let own = |child: &Child| child.config.as_ref()?.facts.platform.as_ref().map(|own| usual(&own.name()));
    let mut said: Vec<String> = publication.platforms().filter_map(own).collect();
    said.sort();
    let good = publication.shape == ManifestKind::List && listed == platforms && said == platforms;
    if good {
        return Vec::new();
    }
    let seen =
        format!("it is a {:?} of {}, whose images say {}", publication.shape, listed.join(", "), said.join(", "));
    vec![Violation::new(format!("{} is a list of {}", publication.name(), platforms.join(", ")), seen)]
}

/// A platform's name without the variant that it has anyway.
fn usual(platform: &str) -> String {
    platform.strip_suffix("arm64/v8").map_or_else(|| platform.to_owned(), |os| format!("{os}arm64"))
}
