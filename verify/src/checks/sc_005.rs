//! SC-005: a cached build takes 2 minutes at most, and at most half of the clean build's time.
//!
//! Both builds begin with an empty store of images, as on every hosted runner. Their Containerfile has a step that takes
//! seconds and whose input does not change.

use super::support::{published, run, shown, stages};
use crate::{
    check::{Check, Judgement},
    evidence::{Evidence, Stage, StageRun, at_most},
    oracle::Violation,
    scenario::Scenario,
};

/// How long a cached build may take, in milliseconds.
const CACHED_MAX_MS: u64 = 120_000;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("a_cached_build_takes_half_of_a_clean_one", &["SC-005"], Scenario::Cached, half),
    Check::pipeline("a_step_whose_input_did_not_change_is_not_run_again", &["SC-005"], Scenario::Cached, not_run_again),
    Check::pipeline("a_cache_that_takes_nothing_fails_no_build", &["SC-005"], Scenario::CacheDown, no_failure),
];

fn half(evidence: &Evidence) -> Judgement {
    let (clean, cached) = (run(evidence, "clean")?, run(evidence, "cached")?);
    let mut violations = [published(evidence, "clean")?, published(evidence, "cached")?].concat();
    let took = |stage: &StageRun| evidence.idle_ms(stage.ended_ms - stage.began_ms, [stage]);
    for (clean, cached) in stages(clean, Stage::Build)?.into_iter().zip(stages(cached, Stage::Build)?) {
        let (first, second) = (took(clean), took(cached));
        let half = |ms: &u64| (ms / 2).min(CACHED_MAX_MS);
        if !at_most(&second, &(half(first.start())..=half(first.end())))? {
            let expected = format!("{} takes {} ms at most the second time", shown(cached), half(first.end()));
            violations.push(Violation::new(expected, format!("{second:?} ms, after {first:?} ms the first time")));
        }
    }
    Ok(violations)
}

/// The slow step prints a line whenever it is really run.
fn not_run_again(evidence: &Evidence) -> Judgement {
    let (clean, cached) =
        (stages(run(evidence, "clean")?, Stage::Build)?, stages(run(evidence, "cached")?, Stage::Build)?);
    let ran = |stage: &StageRun| stage.printed().lines().any(|line| line.trim().ends_with(crate::scenario::STEP_RAN));
    if let Some(stage) = clean.iter().find(|stage| !ran(stage)) {
        let cause =
            format!("{} does not show the output of the build, so nobody can tell which steps ran", shown(stage));
        return Err(crate::check::Inconclusive(cause));
    }
    let again = cached.iter().filter(|stage| ran(stage));
    Ok(again
        .map(|stage| {
            Violation::new(format!("{} takes the slow step from a cache", shown(stage)), "it ran the step again")
        })
        .collect())
}

/// A cache saves time; no image depends on it.
fn no_failure(evidence: &Evidence) -> Judgement {
    if evidence.faults.iter().all(|fired| fired.times == 0) {
        return Err(crate::check::Inconclusive("nothing was to be kept in the cache".into()));
    }
    published(evidence, "main")
}
