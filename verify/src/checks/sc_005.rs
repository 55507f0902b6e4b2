//! SC-005: a cached build takes 2 minutes at most, and at most half of the clean build's time.
//!
//! Both builds begin with an empty store of images, as on every hosted runner. Their Containerfile has a step that takes
//! seconds and whose input does not change.

use super::prelude::*;
use crate::{evidence::at_most, scenario::STEP_RAN};

/// How long a cached build may take, in milliseconds.
const CACHED_MAX_MS: u64 = 120_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_cached_build_takes_half_of_a_clean_one", &["SC-005"], Scenario::Cached, half),
    Check::pipeline("a_step_whose_input_did_not_change_is_not_run_again", &["SC-005"], Scenario::Cached, not_run_again),
    Check::pipeline("a_cache_that_takes_nothing_fails_no_build", &["SC-005"], Scenario::CacheDown, no_failure),
];

/// The builds of a run.
fn builds<'a>(evidence: &'a Evidence, name: &str) -> Result<Vec<&'a StageRun>, Inconclusive> {
    stages(run(evidence, name)?, Stage::Build)
}

fn half(evidence: &Evidence) -> Judgement {
    let mut violations = [published(evidence, "clean")?, published(evidence, "cached")?].concat();
    let took = |stage: &StageRun| evidence.idle_ms(stage.ended_ms - stage.began_ms, [stage]);
    for (clean, cached) in builds(evidence, "clean")?.into_iter().zip(builds(evidence, "cached")?) {
        let (first, second) = (took(clean), took(cached));
        let half = |ms: &u64| (ms / 2).min(CACHED_MAX_MS);
        violations.extend(unless(
            at_most(&second, &(half(first.start())..=half(first.end())))?,
            format!("{cached} takes {} ms at most the second time", half(first.end())),
            format!("{second:?} ms, after {first:?} ms the first time"),
        ));
    }
    Ok(violations)
}

/// The slow step prints a line whenever it is really run.
fn not_run_again(evidence: &Evidence) -> Judgement {
    let ran = |stage: &StageRun| stage.printed().lines().any(|line| line.trim().ends_with(STEP_RAN));
    for stage in builds(evidence, "clean")? {
        require(ran(stage), format!("{stage} does not show the output of the build, so which steps ran is unknown"))?;
    }
    let expected = |stage| format!("{stage} takes the slow step from a cache");
    let cached = builds(evidence, "cached")?.into_iter();
    Ok(cached.flat_map(|stage| unless(!ran(stage), expected(stage), "it ran the step again")).collect())
}

/// A cache saves time; no image depends on it.
fn no_failure(evidence: &Evidence) -> Judgement {
    any_fault_fired(evidence, "nothing was to be kept in the cache")?;
    published(evidence, "main")
}
