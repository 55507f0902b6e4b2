//! SC-007: version-tagged images stay available indefinitely.

use super::prelude::*;
use crate::{
    oracle::{changes, continuity, reachable},
    scenario::{
        RELEASED_BEFORE,
        Scenario::{Accumulation, CleanupBlind},
    },
};

/// The moments of the scenario with many builds, in order.
const MOMENTS: &[&str] = &["main 1", "main 2", "main 3", "release v1.0.0", "main 4"];

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("releases_keep_their_digests", &["SC-007"], Accumulation, keep),
    Check::pipeline("releases_keep_all_their_parts", &["SC-007", "SC-003"], Accumulation, whole),
    Check::pipeline(
        "a_release_that_shares_its_image_with_latest_survives_it",
        &["SC-007", "FR-009"],
        Accumulation,
        shared,
    ),
    Check::pipeline("releases_are_whole_at_every_moment", &["SC-007"], Accumulation, every_moment),
    Check::pipeline("nothing_is_removed_when_a_tag_cannot_be_read", &["SC-007", "FR-009"], CleanupBlind, all_stays),
];

fn keep(evidence: &Evidence) -> Judgement {
    works(evidence, "release v1.0.0")?;
    let mut violations = Vec::new();
    for pair in MOMENTS.windows(2) {
        let (before, now) = (after(evidence, pair[0])?, after(evidence, pair[1])?);
        // Tags that are new are other checks' matter.
        let is_new = |tag: &&String| !before.iter().any(|it| it.tags.contains_key(*tag));
        let new = now.iter().flat_map(|it| it.tags.keys()).filter(is_new).map(String::as_str);
        let may: Vec<&str> = new.chain(["latest"]).collect();
        violations.extend(untouched(before, now, &may));
    }
    Ok(violations)
}

fn whole(evidence: &Evidence) -> Judgement {
    works(evidence, "release v1.0.0")?;
    Ok(after(evidence, "main 4")?.iter().flat_map(reachable).collect())
}

/// No user may find a release gone, changed or in part, not even for a moment.
fn every_moment(evidence: &Evidence) -> Judgement {
    works(evidence, "main 4")?;
    let samples = evidence.samples_of(RELEASED_BEFORE);
    let seen = samples.iter().any(|sample| sample.digest.is_some());
    require(seen, format!("{RELEASED_BEFORE} was never seen"))?;
    Ok([continuity(&samples), changes(&samples, 0)].concat())
}

/// The release `0.9.0` was made of the very list that was `latest` then, as a retagging release does it.
fn shared(evidence: &Evidence) -> Judgement {
    let mut violations = Vec::new();
    for (then, now) in after(evidence, "main 1")?.iter().zip(after(evidence, "main 4")?) {
        let digest = then.tags.get("0.9.0").ok_or_else(|| Inconclusive(format!("{} never had 0.9.0", then.server)))?;
        require(then.tags.get("latest") == Some(digest), format!("{}:0.9.0 was not made of latest", then.server))?;
        let kept = now.tags.get("0.9.0") == Some(digest) && now.manifests.contains_key(digest);
        let seen = format!("0.9.0 is {:?}", now.tags.get("0.9.0"));
        violations.extend(unless(kept, format!("{}:0.9.0 stays {digest}", now.server), seen));
    }
    Ok(violations)
}

/// The tag that cannot be read may need one of the images that would be removed. So everything must stay.
fn all_stays(evidence: &Evidence) -> Judgement {
    works(evidence, "second")?;
    let violations = manifests_stay(evidence, "first", "second")?;
    if violations.is_empty() {
        any_fault_fired(evidence, "the pipeline never read 0.9.0")?;
    }
    Ok(violations)
}
