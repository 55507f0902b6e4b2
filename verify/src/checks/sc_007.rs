//! SC-007: version-tagged images stay available indefinitely.

use super::support::{after, works};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    oracle::{Violation, changes, continuity, reachable, untouched},
    scenario::{RELEASED_BEFORE, Scenario},
};

/// The moments of the scenario with many builds, in order.
const MOMENTS: &[&str] = &["main 1", "main 2", "main 3", "release v1.0.0", "main 4"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("releases_keep_their_digests", &["SC-007"], Scenario::Accumulation, keep),
    Check::pipeline("releases_keep_all_their_parts", &["SC-007", "SC-003"], Scenario::Accumulation, whole),
    Check::pipeline(
        "a_release_that_shares_its_image_with_latest_survives_it",
        &["SC-007", "FR-009"],
        Scenario::Accumulation,
        shared,
    ),
    Check::pipeline("releases_are_whole_at_every_moment", &["SC-007"], Scenario::Accumulation, every_moment),
    Check::pipeline(
        "nothing_is_removed_when_a_tag_cannot_be_read",
        &["SC-007", "FR-009"],
        Scenario::CleanupBlind,
        nothing_removed,
    ),
];

fn keep(evidence: &Evidence) -> Judgement {
    works(evidence, "release v1.0.0")?;
    let mut violations = Vec::new();
    for pair in MOMENTS.windows(2) {
        let (before, now) = (after(evidence, pair[0])?, after(evidence, pair[1])?);
        // Tags that are new are other checks' matter.
        let known = |tag: &String| before.iter().any(|it| it.tags.contains_key(tag));
        let tags = now.iter().flat_map(|it| it.tags.keys());
        let mut may: Vec<&str> = tags.filter(|tag| !known(tag)).map(String::as_str).collect();
        may.push("latest");
        violations.extend(untouched(before, now, &may));
    }
    Ok(violations)
}

fn whole(evidence: &Evidence) -> Judgement {
    works(evidence, "release v1.0.0")?;
    let last = after(evidence, "main 4")?;
    Ok(last.iter().flat_map(reachable).collect())
}

/// Nobody may find a release gone, changed or in part, not even for a moment.
fn every_moment(evidence: &Evidence) -> Judgement {
    works(evidence, "main 4")?;
    let samples = evidence.samples_of(RELEASED_BEFORE);
    if samples.iter().all(|sample| sample.digest.is_none()) {
        return Err(Inconclusive(format!("nobody ever saw {RELEASED_BEFORE}")));
    }
    Ok([continuity(&samples), changes(&samples, 0)].concat())
}

/// The release `0.9.0` was made of the very list that was `latest` then, as a retagging release does it.
fn shared(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (then, now) in after(evidence, "main 1")?.iter().zip(after(evidence, "main 4")?) {
        let digest = then.tags.get("0.9.0").ok_or_else(|| Inconclusive(format!("{} never had 0.9.0", then.server)))?;
        if then.tags.get("latest") != Some(digest) {
            return Err(Inconclusive(format!("{}:0.9.0 was not made of latest", then.server)));
        }
        if now.tags.get("0.9.0") != Some(digest) || !now.manifests.contains_key(digest) {
            let seen = format!("0.9.0 is {:?}", now.tags.get("0.9.0"));
            violations.push(Violation::new(format!("{}:0.9.0 stays {digest}", now.server), seen));
        }
    }
    Ok(violations)
}

/// The tag that cannot be read needs one of the images that would be removed. Nobody can know; so everything stays.
fn nothing_removed(evidence: &Evidence) -> Judgement {
    works(evidence, "second")?;
    let mut violations = Vec::new();
    for (old, new) in after(evidence, "first")?.iter().zip(after(evidence, "second")?) {
        for gone in old.manifests.keys().filter(|digest| !new.manifests.contains_key(*digest)) {
            let expected = format!("{}@{gone} stays: 0.9.0 cannot be read, and may need it", new.server);
            violations.push(Violation::new(expected, "it is gone"));
        }
    }
    if violations.is_empty() && evidence.faults.iter().all(|fired| fired.times == 0) {
        return Err(Inconclusive("nobody wanted to know what 0.9.0 needs".into()));
    }
    Ok(violations)
}
