//! Parts of a history, judged one by one.

use super::Violation;
use crate::history::Exchange;

/// Judges what began within each of some spans of time (first and last millisecond), as that of jobs that ran one after the
/// other. Violations are shown by their places in the whole history.
pub fn within(
    history: &[Exchange],
    spans: impl IntoIterator<Item = (u64, u64)>,
    judge: impl Fn(&[Exchange]) -> Vec<Violation>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (from, to) in spans {
        let inside = |exchange: &Exchange| (from..=to).contains(&exchange.began_ms);
        let (places, part): (Vec<usize>, Vec<Exchange>) =
            history.iter().cloned().enumerate().filter(|(_, exchange)| inside(exchange)).unzip();
        violations.extend(judge(&part).into_iter().map(|violation| Violation {
            exchanges: violation.exchanges.into_iter().map(|index| places[index]).collect(),
            ..violation
        }));
    }
    violations
}
