//! FR-007: a build of main is tagged `latest`.

use super::{
    published::of_this_build,
    support::{after, explained, run, success, tag, tag_writes, works},
};
use crate::{
    check::{Check, Judgement},
    evidence::Evidence,
    oracle::{Violation, untouched},
    scenario::Scenario,
};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_build_of_main_is_tagged_latest", &["FR-007", "FR-001", "SC-001"], Scenario::Releases, tagged),
    Check::pipeline("a_build_of_main_moves_no_other_tag", &["FR-007", "SC-007"], Scenario::Releases, nothing_else),
    Check::pipeline(
        "an_older_build_never_replaces_a_newer_latest",
        &["FR-007", "FR-020"],
        Scenario::Overtaken,
        never_back,
    ),
];

fn tagged(evidence: &Evidence) -> Judgement {
    let (first, second) = (after(evidence, "first main")?, after(evidence, "second main")?);
    let mut violations = Vec::new();
    for name in ["first main", "second main"] {
        violations.extend(success(run(evidence, name)?));
        violations.extend(of_this_build(evidence, name, "latest")?);
    }
    for (old, new) in first.iter().zip(second) {
        match (old.tags.get("latest"), new.tags.get("latest")) {
            (Some(was), Some(is)) if was != is => {}
            (was, is) => violations.push(Violation::new(
                format!("{}:latest is another image after main has changed", new.server),
                format!("first {was:?}, then {is:?}"),
            )),
        }
    }
    Ok(violations)
}

fn nothing_else(evidence: &Evidence) -> Judgement {
    works(evidence, "second main")?;
    let (before, after) = (after(evidence, "release v1.2.0")?, after(evidence, "second main")?);
    let span = run(evidence, "second main")?.span_ms();
    let violations = explained(evidence, span, untouched(before, after, &["latest"]));
    let written = tag_writes(evidence, run(evidence, "second main")?, &["latest"]);
    Ok(violations.into_iter().chain(written).collect())
}

fn never_back(evidence: &Evidence) -> Judgement {
    works(evidence, "newer")?;
    let newer = tag(after(evidence, "newer")?, "latest");
    let last = tag(after(evidence, "older")?, "latest");
    let moved = newer.iter().filter(|(server, digest)| last.get(*server) != Some(digest));
    let told = |digest: Option<&str>| digest.unwrap_or("absent").to_owned();
    Ok(moved
        .map(|(server, digest)| {
            let expected = format!("{server}:latest stays at the newer commit's image, {}", told(*digest));
            let seen = format!("the older commit's run made it {}", told(last.get(server).copied().flatten()));
            Violation::new(expected, seen)
        })
        .collect())
}
