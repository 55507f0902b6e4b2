//! For people on a terminal: what is wrong first, then the matrix, then one line.

use std::fmt::Write as _;

use super::{Outcome, Report, looked::looked_text, matrix};
use crate::{requirements::REQUIREMENTS, verdict::Verdict};

/// A verdict's word, padded, in its colour if that is wanted (ANSI X3.64).
fn padded(word: &str, colour: bool) -> String {
    let code = match word {
        "PASS" => 32,
        "FAIL" => 31,
        "UNKNOWN" => 35,
        _ => 33,
    };
    if colour { format!("\u{1b}[1;{code}m{word:<7}\u{1b}[0m") } else { format!("{word:<7}") }
}

/// How many violations of one check are told: a pipeline that is wrong once is often wrong in many places.
const VIOLATIONS_MAX: usize = 5;

/// One outcome: a line, and what is wrong with it.
pub fn outcome_text(outcome: &Outcome, colour: bool) -> String {
    let word = padded(outcome.verdict.word(), colour);
    let mut text = format!("{word}  {}  {}\n", outcome.requirements[0], outcome.claim);
    let mut tell = |name: &str, what: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<9} {}", indented(what));
    };
    match &outcome.verdict {
        Verdict::Pass => {}
        Verdict::NotRun { reason } => tell("needs", reason),
        Verdict::Waived { reason } => tell("reason", reason),
        Verdict::Unknown { cause } => {
            tell("cause", cause);
            tell("alone", &outcome.rerun);
        }
        Verdict::Fail { violations } => {
            tell("promise", &promise(outcome));
            if let Some(scenario) = &outcome.scenario {
                tell("scenario", scenario);
            }
            for (index, violation) in violations.iter().take(VIOLATIONS_MAX).enumerate() {
                tell("expected", &violation.expected);
                tell("seen", &violation.seen);
                let shown = outcome.shown.get(index);
                for request in shown.iter().flat_map(|shown| &shown.requests) {
                    tell("", request);
                }
                if let Some(shown) = shown.filter(|shown| shown.more > 0) {
                    tell("", &format!("… and {} requests more", shown.more));
                }
            }
            if violations.len() > VIOLATIONS_MAX {
                tell("", &format!("… and {} violations more", violations.len() - VIOLATIONS_MAX));
            }
            tell("alone", &outcome.rerun);
        }
    }
    text
}

/// What is broken, in the catalogue's words.
fn promise(outcome: &Outcome) -> String {
    let texts = REQUIREMENTS.iter().filter(|it| outcome.requirements.contains(&it.id));
    texts.map(|it| format!("{}: {}", it.id, it.text)).collect::<Vec<_>>().join("\n")
}

/// All requirements with their verdicts, and one line with the counts.
pub fn summary_text(report: &Report, colour: bool) -> String {
    let mut text = looked_text(report);
    for row in matrix(report) {
        let word = padded(row.verdict, colour);
        let _ = writeln!(text, "{word}  {}  {:>2} of {:<2}  {}", row.id, row.passed, row.run, row.text);
    }
    let _ = writeln!(text, "\n{}: {}", report.subject, report.counts());
    text
}

/// Further lines stand under the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n            ")
}
