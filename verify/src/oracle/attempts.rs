//! How often an operation was tried.

use super::{Violation, operations::operations};
use crate::history::Exchange;

/// No operation may be tried more often than this.
pub fn attempts(history: &[Exchange], max: usize) -> Vec<Violation> {
    let too_often = operations(history).into_iter().filter(|operation| operation.tries.len() > max);
    too_often
        .map(|operation| {
            let times = operation.tries.len();
            Violation::new(format!("{} is tried {max} times at most", operation.subject), format!("{times} times"))
                .shown_by(operation.tries.iter().map(|one| one.index))
        })
        .collect()
}

/// What cannot succeed may be tried once: what was denied, is not allowed or not valid, or is refused with a fresh token.
pub fn permanent_errors(history: &[Exchange]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in operations(history) {
        let permanent = |at: &usize| operation.tries[*at].failure.is_some_and(|failure| failure.permanent);
        let Some(first) = (0..operation.tries.len()).find(permanent) else { continue };
        let again = &operation.tries[first + 1..];
        let came_to_succeed = again.last().is_some_and(|last| last.failure.is_none());
        if again.is_empty() || (operation.subject.is_deletion() && came_to_succeed) {
            continue;
        }
        let status = history[operation.tries[first].index].status.unwrap_or_default();
        let expected = format!("{} is not tried again after {status}", operation.subject);
        let shown = operation.tries[first..].iter().map(|one| one.index);
        violations.push(Violation::new(expected, format!("{} times", again.len())).shown_by(shown));
    }
    violations
}

#[cfg(test)]
mod tests;
