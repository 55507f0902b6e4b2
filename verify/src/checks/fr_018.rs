//! FR-018: a failed registry operation is tried at most 3 times with exponential backoff.

use super::support::{after, explained, failed, faults_fired, run, spans, works};
use crate::{
    check::{Check, Inconclusive, Judgement},
    evidence::Evidence,
    history::Exchange,
    oracle::{
        Growth, Violation, attempts, growth, permanent_errors, requested_waits, shortest_waits, untouched, waits,
        within,
    },
    scenario::{OUTAGES_OF_BUILDS, OUTAGES_OF_MERGES, RETRY_BASE_MS, Scenario},
};

/// How often an operation may be tried.
const ATTEMPTS_MAX: usize = 3;

/// The checks of this requirement.
pub(super) const CHECKS: &[Check] = &[
    Check::pipeline("trouble_that_passes_is_survived", &["FR-018"], Scenario::Transients, survived),
    Check::pipeline("no_operation_is_tried_more_than_three_times", &["FR-018"], Scenario::Refusals, three_times),
    Check::pipeline("no_kind_of_request_is_tried_more_than_three_times", &["FR-018"], Scenario::Outages, any_kind),
    Check::pipeline("what_is_down_fails_the_run", &["FR-018", "FR-017"], Scenario::Outages, any_down_fails),
    Check::pipeline("waits_grow_exponentially", &["FR-018"], Scenario::Outages, exponential),
    Check::pipeline("waits_that_a_registry_asks_for_are_kept", &["FR-018"], Scenario::RateLimits, kept),
    Check::pipeline("a_rate_limit_is_survived", &["FR-018"], Scenario::RateLimits, limits_survived),
    Check::pipeline("what_cannot_succeed_is_tried_once", &["FR-018"], Scenario::Refusals, once),
    Check::pipeline("a_registry_that_is_down_fails_the_run", &["FR-018", "FR-017"], Scenario::Refusals, down_fails),
    Check::pipeline("an_upload_that_breaks_off_is_made_whole", &["FR-018"], Scenario::BrokenUpload, made_whole),
];

fn survived(evidence: &Evidence) -> Judgement {
    super::support::survived(evidence, &["uploads", "manifests"])
}

fn three_times(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    Ok(within(&evidence.history, spans(evidence), |part| attempts(part, ATTEMPTS_MAX)))
}

/// A pipeline need not send every kind of request; those that it sends have three attempts each, on all servers.
fn any_kind(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    if evidence.faults.iter().all(|fired| fired.times == 0) {
        return Err(Inconclusive("no request failed".into()));
    }
    Ok(within(&evidence.history, spans(evidence), |part| attempts(part, ATTEMPTS_MAX)))
}

/// Where an outage met the pipeline, the job fails, and users see what they saw before. Only a clean-up that cannot be done
/// fails nothing.
fn any_down_fails(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    let met = |name: &str| evidence.faults.iter().any(|fired| fired.rule == name && fired.times > 0);
    let merges = &OUTAGES_OF_MERGES[..OUTAGES_OF_MERGES.len() - 1];
    let mut violations = Vec::new();
    for name in OUTAGES_OF_BUILDS.iter().chain(merges).filter(|name| met(name)) {
        let run = run(evidence, name)?;
        violations.extend(failed(run));
        violations.extend(explained(
            evidence,
            run.span_ms(),
            untouched(after(evidence, "good")?, after(evidence, name)?, &[]),
        ));
    }
    if violations.is_empty() && evidence.faults.iter().all(|fired| fired.times == 0) {
        return Err(Inconclusive("no request failed".into()));
    }
    Ok(violations)
}

/// Every wait grows, or all of them together do if they are drawn at random. Who never tries again does not wait, either.
fn exponential(evidence: &Evidence) -> Judgement {
    let inside = |span: (u64, u64)| -> Vec<Exchange> {
        evidence.history.iter().filter(|it| (span.0..=span.1).contains(&it.began_ms)).cloned().collect()
    };
    let parts: Vec<Vec<Exchange>> = spans(evidence).map(inside).collect();
    let shortest = shortest_waits(parts.iter().map(Vec::as_slice));
    let violations = within(&evidence.history, spans(evidence), |part| waits(part, RETRY_BASE_MS, &shortest));
    if !violations.is_empty() {
        return match growth(parts.iter().map(Vec::as_slice), RETRY_BASE_MS) {
            Growth::Yes => Ok(Vec::new()),
            Growth::No => Ok(violations),
            Growth::Unknown => Err(Inconclusive("too few random waits to tell whether they grow".into())),
        };
    }
    let failed: Vec<usize> =
        (0..evidence.history.len()).filter(|index| evidence.history[*index].fault.is_some()).collect();
    if failed.is_empty() {
        return Err(Inconclusive("no request failed".into()));
    }
    if parts.iter().all(|part| attempts(part, 1).is_empty()) {
        let expected = "what fails for a moment is tried again after a while";
        return Ok(vec![Violation::new(expected, "nothing is tried again").shown_by(failed)]);
    }
    Ok(Vec::new())
}

fn kept(evidence: &Evidence) -> Judgement {
    faults_fired(evidence)?;
    Ok(within(&evidence.history, spans(evidence), |part| requested_waits(part, evidence.start_unix_ms)))
}

fn limits_survived(evidence: &Evidence) -> Judgement {
    super::support::survived(evidence, &["limited"])
}

fn once(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    let mut violations = failed(run(evidence, "denied")?);
    violations.extend(within(&evidence.history, spans(evidence), permanent_errors));
    Ok(violations)
}

fn down_fails(evidence: &Evidence) -> Judgement {
    works(evidence, "good")?;
    faults_fired(evidence)?;
    let run = run(evidence, "down")?;
    let moved = untouched(after(evidence, "good")?, after(evidence, "down")?, &[]);
    Ok([failed(run), explained(evidence, run.span_ms(), moved)].concat())
}

fn made_whole(evidence: &Evidence) -> Judgement {
    super::support::survived(evidence, &["broken"])
}
