//! How long was waited before another try.

use std::collections::BTreeMap;

use super::{
    Violation,
    answer::RetryAfter,
    operations::{Operation, Try, operations},
};
use crate::history::Exchange;

/// A wait must be three halves of the one before it at least. Waits that double, with a quarter more at random, are 1.6 times
/// as long at least.
const GROWTH_MIN: (u64, u64) = (3, 2);
/// By how much the shortest of several waits may seem longer than it was meant, in milliseconds: machines are busy.
const DELAY_MS: u64 = 40;
/// By how much a single wait may seem longer than it was meant.
const SINGLE_DELAY_MS: u64 = 400;
/// By how much a wait may seem shorter than it was meant: an answer is noted a moment after its client has it.
const EARLY_MS: u64 = 25;
/// How long a server must be obeyed at most.
const TOLD_MAX_MS: u64 = 60_000;

/// A wait between two tries.
struct Wait {
    ms: u64,
    /// How many waits there were before it.
    number: u32,
    retry_after: Option<RetryAfter>,
    indexes: [usize; 2],
    /// When it began.
    began_ms: u64,
}

/// The shortest first wait of all operations, the shortest second one, and so on. The parts of the history are those of jobs
/// that ran one after the other.
pub fn shortest_waits<'a>(parts: impl IntoIterator<Item = &'a [Exchange]>) -> BTreeMap<u32, u64> {
    let mut shortest = BTreeMap::new();
    for wait in parts.into_iter().flat_map(operations).flat_map(|operation| computed(&operation)) {
        shortest.entry(wait.number).and_modify(|ms: &mut u64| *ms = wait.ms.min(*ms)).or_insert(wait.ms);
    }
    shortest
}

/// Waits grow exponentially from a base: none is shorter than half of what it should be, and each is much longer than the one
/// before it. Those that a server asked for are left out.
///
/// A busy machine makes waits longer, never shorter. So a wait is compared with the [`shortest_waits`] of the number before it,
/// and only roughly with the one of its own operation.
pub fn waits(history: &[Exchange], base_ms: u64, shortest: &BTreeMap<u32, u64>) -> Vec<Violation> {
    let waits: Vec<_> = operations(history).iter().map(|it| (it.subject.to_string(), computed(it))).collect();
    let mut violations = Vec::new();
    for (subject, waits) in &waits {
        for wait in waits {
            let least = base_ms.saturating_mul(2_u64.saturating_pow(wait.number)) / 2;
            if wait.ms + EARLY_MS < least {
                let expected = format!("{subject} is tried again after {least} ms at least");
                violations.push(Violation::new(expected, format!("after {} ms", wait.ms)).shown_by(wait.indexes));
            }
        }
        for (before, wait) in waits.iter().zip(waits.iter().skip(1)) {
            if before.number + 1 != wait.number {
                continue;
            }
            let shortest = shortest.get(&before.number).copied().unwrap_or(before.ms);
            let least = shortest.saturating_sub(DELAY_MS).max(before.ms.saturating_sub(SINGLE_DELAY_MS));
            if !grows(least, wait.ms) {
                let expected = format!("{subject} waits ever longer before it is tried again");
                let seen = format!("{} ms, then {} ms", before.ms, wait.ms);
                let shown = [before.indexes[0], wait.indexes[0], wait.indexes[1]];
                violations.push(Violation::new(expected, seen).shown_by(shown));
            }
        }
    }
    violations
}

/// How waits of a client that draws them at random grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// They are not drawn at random, or do not grow.
    No,
    /// They are drawn at random and grow exponentially.
    Yes,
    /// There are too few of them to tell, or they are in between.
    Unknown,
}

/// So many first and second waits must be known before random ones are judged.
const RANDOM_WAITS_MIN: usize = 10;
/// The long second waits are so many times as long as the long first ones if they double, and are not if they stay.
const RANDOM_GROWTH: (f64, f64) = (1.5, 1.15);
/// Waits are drawn at random if the second shortest is not longer than this part of the second longest.
const RANDOM_SPREAD_MAX: f64 = 0.8;

/// Judges waits with jitter: half of the wait random, or all of it ("full jitter": anything from nothing to the whole wait).
///
/// A single wait says nothing then. Of the first waits of all operations the second longest is close to what they are drawn
/// from, and so it is of the second waits; one that was lengthened by a busy machine does no harm. The parts of the history
/// are those of jobs that ran one after the other.
pub fn growth<'a>(parts: impl IntoIterator<Item = &'a [Exchange]>, base_ms: u64) -> Growth {
    let mut waits = [Vec::new(), Vec::new()];
    for part in parts {
        for wait in operations(part).iter().flat_map(computed) {
            if let Some(waits) = waits.get_mut(wait.number as usize) {
                waits.push(f64::from(u32::try_from(wait.ms).unwrap_or(u32::MAX)));
            }
        }
    }
    for waits in &mut waits {
        waits.sort_by(f64::total_cmp);
    }
    let [first, second] = waits;
    if first.len() < 2 || second.len() < 2 {
        return Growth::No;
    }
    let (shorter, longer) = (first[1], first[first.len() - 2]);
    if shorter > longer * RANDOM_SPREAD_MAX {
        return Growth::No;
    }
    let (long_first, long_second) = (first[first.len() - 2], second[second.len() - 2]);
    let base = f64::from(u32::try_from(base_ms).unwrap_or(u32::MAX));
    let few = first.len().min(second.len()) < RANDOM_WAITS_MIN;
    if long_second < long_first * RANDOM_GROWTH.1 || long_first < base / 4.0 {
        return if few { Growth::Unknown } else { Growth::No };
    }
    if few || long_second < long_first * RANDOM_GROWTH.0 { Growth::Unknown } else { Growth::Yes }
}

/// The waits that the client computed by itself.
fn computed(operation: &Operation) -> Vec<Wait> {
    waits_of(operation).filter(|wait| wait.retry_after.is_none()).collect()
}

/// A server that says how long it wants to be left alone is left alone, up to a minute. Some name a point in time: the clock
/// of the history began at `start_unix_ms`.
pub fn requested_waits(history: &[Exchange], start_unix_ms: u64) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in operations(history) {
        for wait in waits_of(&operation) {
            let requested_ms = match wait.retry_after {
                None => continue,
                Some(RetryAfter::For(ms)) => ms,
                Some(RetryAfter::Until(unix_ms)) => unix_ms.saturating_sub(start_unix_ms).saturating_sub(wait.began_ms),
            };
            let least = requested_ms.min(TOLD_MAX_MS);
            if wait.ms + EARLY_MS < least {
                let expected = format!("{} is tried again after {least} ms, as the server asked", operation.subject);
                violations.push(Violation::new(expected, format!("after {} ms", wait.ms)).shown_by(wait.indexes));
            }
        }
    }
    violations
}

fn waits_of(operation: &Operation) -> impl Iterator<Item = Wait> {
    // Which try belongs to which wait must be sure.
    let wait = |(number, pair): (u32, &[Try])| {
        let [failed, next] = pair else { return None };
        (!failed.guessed && !next.guessed).then_some(Wait {
            ms: next.began_ms.saturating_sub(failed.ended_ms),
            number,
            retry_after: failed.failure?.retry_after,
            indexes: [failed.index, next.index],
            began_ms: failed.ended_ms,
        })
    };
    (0..).zip(operation.tries.windows(2)).filter_map(wait)
}

const fn grows(before_ms: u64, ms: u64) -> bool {
    let (times, of) = GROWTH_MIN;
    ms.saturating_mul(of) >= before_ms.saturating_mul(times)
}

#[cfg(test)]
mod tests;
