//! Parts of a history, judged one by one.

use std::ops::RangeInclusive;

use super::Violation;
use crate::history::Exchange;

/// Judges what began within each of some spans of time (in milliseconds), as that of jobs that ran one after the
/// other. Violations are shown by their places in the whole history.
pub fn within(
    history: &[Exchange],
    spans: impl IntoIterator<Item = RangeInclusive<u64>>,
    judge: impl Fn(&[Exchange]) -> Vec<Violation>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for span in spans {
        let inside = |exchange: &Exchange| span.contains(&exchange.began_ms);
        let (places, part): (Vec<usize>, Vec<Exchange>) =
            history.iter().cloned().enumerate().filter(|(_, exchange)| inside(exchange)).unzip();
        violations.extend(judge(&part).into_iter().map(|violation| Violation {
            exchanges: violation.exchanges.into_iter().map(|index| places[index]).collect(),
            ..violation
        }));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{attempts, testing::Script};

    #[test]
    fn jobs_one_after_the_other_are_not_added_up() {
        let mut script = Script::default();
        for _ in 0..5 {
            script.put("ghcr", "latest", "sha256:a", 503);
        }
        let spans = [0..=0, 1..=4];
        assert_eq!(attempts(&script.history, 3).len(), 1);
        assert_eq!(within(&script.history, [0..=1, 2..=4], |part| attempts(part, 3)), []);
        let found = within(&script.history, spans, |part| attempts(part, 3));
        assert_eq!((found.len(), found[0].exchanges.as_slice()), (1, [1, 2, 3, 4].as_slice()), "places in the whole");
    }
}
