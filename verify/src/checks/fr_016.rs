//! FR-016: a build can be started by hand, and never deletes anything.

use super::support::{after, explained, failed, requests, run, success, works};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    history::Kind,
    oracle::{Violation, untouched},
    scenario::{RESERVED, Scenario},
};

/// How many digits of a commit's id the tag of a manual build has, at least (git's own short form).
const SHORT_COMMIT_MIN: usize = 7;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::watching("a_build_by_hand_is_tagged_manual_and_its_commit", &["FR-016"], Scenario::Manual, default_tag),
    Check::watching("a_build_by_hand_takes_the_tag_it_is_given", &["FR-016"], Scenario::Manual, given_tag),
    Check::watching("a_build_by_hand_builds_the_platforms_it_is_given", &["FR-016"], Scenario::Manual, given_platforms),
    Check::watching("without_push_nothing_is_pushed", &["FR-016"], Scenario::Manual, without_push),
    Check::watching("a_build_by_hand_deletes_nothing", &["FR-016"], Scenario::Manual, deletes_nothing),
    Check::watching("a_build_by_hand_takes_no_name_of_other_builds", &["FR-016", "SC-007"], Scenario::Manual, reserved),
    Check::watching("a_build_by_hand_moves_no_other_tag", &["FR-016", "SC-007"], Scenario::Manual, moves_nothing),
];

fn default_tag(evidence: &Evidence) -> Judgement {
    let run = run(evidence, "by hand")?;
    let mut violations = success(run);
    for snapshot in after(evidence, "by hand")? {
        let short = |tag: &&String| {
            tag.strip_prefix("manual-")
                .is_some_and(|short| short.len() >= SHORT_COMMIT_MIN && run.commit.starts_with(short))
        };
        if snapshot.tags.keys().find(short).is_none() {
            let tags: Vec<&String> = snapshot.tags.keys().collect();
            let expected = format!("{} has the tag manual-{}", snapshot.server, &run.commit[..SHORT_COMMIT_MIN]);
            violations.push(Violation::new(expected, format!("its tags: {tags:?}")));
        }
    }
    Ok(violations)
}

fn given_tag(evidence: &Evidence) -> Judgement {
    let mut violations = success(run(evidence, "named")?);
    for snapshot in after(evidence, "named")? {
        if !snapshot.tags.contains_key("try-1") {
            let tags: Vec<&String> = snapshot.tags.keys().collect();
            violations
                .push(Violation::new(format!("{} has the tag try-1", snapshot.server), format!("its tags: {tags:?}")));
        }
    }
    Ok(violations)
}

fn given_platforms(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for snapshot in after(evidence, "named")? {
        let children = snapshot.tags.get("try-1").and_then(|digest| snapshot.manifests.get(digest)).map_or(0, Vec::len);
        if children != 1 {
            let expected = format!("{}:try-1 is a list of the one platform that was asked for", snapshot.server);
            violations.push(Violation::new(expected, format!("it names {children} images")));
        }
    }
    Ok(violations)
}

fn without_push(evidence: &Evidence) -> Judgement {
    let mut violations = success(run(evidence, "without push")?);
    violations.extend(untouched(after(evidence, "named")?, after(evidence, "without push")?, &[]));
    let run = run(evidence, "without push")?;
    let writes = super::support::during(evidence, run)
        .filter(|(_, exchange)| {
            let ours =
                exchange.operation.as_ref().filter(|it| it.repository.as_deref() == Some(crate::scenario::REPOSITORY));
            ours.is_some_and(|operation| operation.kind.writes())
        })
        .map(|(index, _)| index)
        .collect::<Vec<_>>();
    if !writes.is_empty() {
        let seen = format!("{} writing requests", writes.len());
        violations
            .push(Violation::new("with skip_push nothing is written to the image's repository", seen).shown_by(writes));
    }
    Ok(violations)
}

fn deletes_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    for name in ["by hand", "named", "without push"] {
        let (began, ended) = run(evidence, name)?.span_ms();
        let deleting = [
            Kind::ManifestDelete,
            Kind::BlobDelete,
            Kind::HubTagDelete,
            Kind::PackageDelete,
            Kind::PackageVersionDelete,
        ];
        let deletes: Vec<usize> = requests(evidence, &deleting)
            .filter(|(_, it)| (began..=ended).contains(&it.began_ms))
            .map(|(index, _)| index)
            .collect();
        if !deletes.is_empty() {
            let seen = format!("{} deletions", deletes.len());
            violations.push(Violation::new(format!("`{name}` deletes nothing"), seen).shown_by(deletes));
        }
    }
    for (before, name) in [("main", "by hand"), ("by hand", "named"), ("named", "without push")] {
        for (old, new) in after(evidence, before)?.iter().zip(after(evidence, name)?) {
            for gone in old.manifests.keys().filter(|digest| !new.manifests.contains_key(*digest)) {
                let expected = format!("{}@{gone} stays", new.server);
                violations.push(Violation::new(expected, format!("it is gone after `{name}`")));
            }
        }
    }
    Ok(violations)
}

fn moves_nothing(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let short = format!("manual-{}", &run(evidence, "by hand")?.commit[..SHORT_COMMIT_MIN]);
    let longer = |tag: &str| tag.starts_with(&short);
    let by_hand = after(evidence, "by hand")?;
    let manual: Vec<&str> =
        by_hand.iter().flat_map(|it| it.tags.keys()).map(String::as_str).filter(|tag| longer(tag)).collect();
    let first = untouched(after(evidence, "main")?, by_hand, &manual);
    let second = untouched(by_hand, after(evidence, "named")?, &["try-1"]);
    let first = explained(evidence, run(evidence, "by hand")?.span_ms(), first);
    let second = explained(evidence, run(evidence, "named")?.span_ms(), second);
    Ok([first, second].concat())
}

/// `latest` is main's, and versions are releases': who may start a build by hand may not replace those.
fn reserved(evidence: &Evidence) -> Judgement {
    works(evidence, "by hand")?;
    let mut violations = Vec::new();
    let mut before = after(evidence, "without push")?;
    for (name, tag) in RESERVED {
        let now = after(evidence, name)?;
        let run = run(evidence, name)?;
        violations.extend(failed(run));
        let taken = explained(evidence, run.span_ms(), untouched(before, now, &[]));
        violations.extend(
            taken
                .into_iter()
                .map(|it| Violation { seen: format!("{} after a build by hand with `tag_name` {tag}", it.seen), ..it }),
        );
        before = now;
    }
    Ok(violations)
}
