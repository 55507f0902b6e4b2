//! FR-007: a build of main is tagged `latest`.

use super::{images::of_this_build, prelude::*};
use crate::scenario::Scenario::{Overtaken, Releases};

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_build_of_main_is_tagged_latest", &["FR-007", "FR-001", "SC-001"], Releases, tagged),
    Check::pipeline("a_build_of_main_moves_no_other_tag", &["FR-007", "SC-007"], Releases, |evidence| {
        moves_only(evidence, "release v1.2.0", "second main", "latest")
    }),
    Check::pipeline("an_older_build_never_replaces_a_newer_latest", &["FR-007", "FR-020"], Overtaken, never_back),
];

fn tagged(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for name in ["first main", "second main"] {
        violations.extend(success(run(evidence, name)?));
        violations.extend(of_this_build(evidence, name, "latest")?);
    }
    for (old, new) in after(evidence, "first main")?.iter().zip(after(evidence, "second main")?) {
        let (was, is) = (old.tags.get("latest"), new.tags.get("latest"));
        let expected = format!("{}:latest is another image after main has changed", new.server);
        let moved = was.is_some() && is.is_some() && was != is;
        violations.extend(unless(moved, expected, format!("first {was:?}, then {is:?}")));
    }
    Ok(violations)
}

/// A run may move and write its own tag, and no other.
pub(super) fn moves_only(evidence: &Evidence, before: &str, name: &str, tag: &str) -> Judgement {
    works(evidence, name)?;
    let written = tag_writes(evidence, run(evidence, name)?, &[tag]);
    Ok([unmoved(evidence, before, name, &[tag])?, written].concat())
}

fn never_back(evidence: &Evidence) -> Judgement {
    works(evidence, "newer")?;
    let shown = |digest: Option<&String>| digest.map_or("absent", String::as_str).to_owned();
    let (newer, older) = (after(evidence, "newer")?, after(evidence, "older")?);
    let judge = |(newer, last): (&Snapshot, &Snapshot)| {
        let (was, is) = (newer.tags.get("latest"), last.tags.get("latest"));
        let expected = format!("{}:latest stays at the newer commit's image, {}", newer.server, shown(was));
        unless(was == is, expected, format!("the older commit's run made it {}", shown(is)))
    };
    Ok(newer.iter().zip(older).flat_map(judge).collect())
}
