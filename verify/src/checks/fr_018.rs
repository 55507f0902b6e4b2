//! FR-018: a failed registry operation is tried at most 3 times with exponential backoff.

use std::ops::RangeInclusive;

use super::prelude::*;
use crate::{
    oracle::{Growth, attempts, growth, permanent_errors, requested_waits, shortest_waits, waits},
    scenario::{OUTAGES_OF_BUILDS, OUTAGES_OF_MERGES, RETRY_BASE_MS},
};

/// How often an operation may be tried.
const ATTEMPTS_MAX: usize = 3;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("trouble_that_passes_is_survived", &["FR-018"], Scenario::Transients, |evidence| {
        survived(evidence, &["uploads", "manifests"])
    }),
    Check::pipeline("no_operation_is_tried_more_than_three_times", &["FR-018"], Scenario::Refusals, three_times),
    Check::pipeline("no_kind_of_request_is_tried_more_than_three_times", &["FR-018"], Scenario::Outages, any_kind),
    Check::pipeline("what_is_down_fails_the_run", &["FR-018", "FR-017"], Scenario::Outages, any_down_fails),
    Check::pipeline("waits_grow_exponentially", &["FR-018"], Scenario::Outages, exponential),
    Check::pipeline("waits_that_a_registry_asks_for_are_kept", &["FR-018"], Scenario::RateLimits, kept),
    Check::pipeline("a_rate_limit_is_survived", &["FR-018"], Scenario::RateLimits, |evidence| {
        survived(evidence, &["limited"])
    }),
    Check::pipeline("what_cannot_succeed_is_tried_once", &["FR-018"], Scenario::Refusals, once),
    Check::pipeline("a_registry_that_is_down_fails_the_run", &["FR-018", "FR-017"], Scenario::Refusals, down_fails),
    Check::pipeline("an_upload_that_breaks_off_is_made_whole", &["FR-018"], Scenario::BrokenUpload, |evidence| {
        survived(evidence, &["broken"])
    }),
];

/// Judges the requests of each stage by themselves. The scenarios that are judged so build one platform after the other.
fn in_each_stage(evidence: &Evidence, judge: impl Fn(&[Exchange]) -> Vec<Violation>) -> Vec<Violation> {
    within(&evidence.history, spans(evidence), judge)
}

/// From when to when each stage went, in milliseconds since the scenario began.
fn spans(evidence: &Evidence) -> impl Iterator<Item = RangeInclusive<u64>> {
    evidence.runs.iter().flat_map(|run| &run.stages).map(StageRun::span_ms)
}

fn three_times(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    Ok(in_each_stage(evidence, |part| attempts(part, ATTEMPTS_MAX)))
}

/// A pipeline need not send every kind of request; those that it sends have three attempts each, on all servers.
fn any_kind(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    any_fault_fired(evidence, "no request failed")?;
    Ok(in_each_stage(evidence, |part| attempts(part, ATTEMPTS_MAX)))
}

/// Where an outage met the pipeline, the job fails, and users see what they saw before. Only a clean-up that cannot be done
/// fails nothing.
fn any_down_fails(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    any_fault_fired(evidence, "no request failed")?;
    let met = |name: &str| evidence.faults.iter().any(|fired| fired.rule == name && fired.times > 0);
    let merges = &OUTAGES_OF_MERGES[..OUTAGES_OF_MERGES.len() - 1];
    let mut violations = Vec::new();
    for name in OUTAGES_OF_BUILDS.iter().chain(merges).filter(|name| met(name)) {
        violations.extend(fails_and_moves_nothing(evidence, name)?);
    }
    Ok(violations)
}

/// Every wait grows, or all of them together do if they are drawn at random. A pipeline that never tries again does not wait,
/// either.
fn exponential(evidence: &Evidence) -> Judgement {
    let inside = |span| -> Vec<Exchange> { requests(evidence, span).map(|(_, exchange)| exchange.clone()).collect() };
    let parts: Vec<Vec<Exchange>> = spans(evidence).map(inside).collect();
    let shortest = shortest_waits(parts.iter().map(Vec::as_slice));
    let violations = in_each_stage(evidence, |part| waits(part, RETRY_BASE_MS, &shortest));
    if !violations.is_empty() {
        return match growth(parts.iter().map(Vec::as_slice), RETRY_BASE_MS) {
            Growth::Yes => Ok(Vec::new()),
            Growth::No => Ok(violations),
            Growth::Unknown => Err(Inconclusive("too few random waits to tell whether they grow".into())),
        };
    }
    let failed = || requests(evidence, ALWAYS).filter(|(_, exchange)| exchange.fault.is_some());
    require(failed().next().is_some(), "no request failed")?;
    if parts.iter().any(|part| !attempts(part, 1).is_empty()) {
        return Ok(Vec::new());
    }
    Ok(none_of(failed(), "what fails for a moment is tried again after a while", "failed requests, none tried again"))
}

fn kept(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    Ok(in_each_stage(evidence, |part| requested_waits(part, evidence.start_unix_ms)))
}

fn once(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    Ok([failed(run(evidence, "denied")?), in_each_stage(evidence, permanent_errors)].concat())
}

fn down_fails(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    fails_and_moves_nothing(evidence, "down")
}
