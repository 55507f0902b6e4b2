//! For people on a terminal: what is wrong first, then the matrix, then one line.

use std::fmt::Write as _;

use super::{Outcome, Report, looked::looked_text, matrix};
use crate::verdict::Verdict;

/// Whether there is colour.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// No colour.
    pub const fn plain() -> Self {
        Self { coloured: false }
    }

    /// Colour where it is wanted.
    pub const fn coloured(coloured: bool) -> Self {
        Self { coloured }
    }

    /// A verdict's word, padded, in its colour (ANSI X3.64).
    fn word(self, word: &str) -> String {
        let colour = match word {
            "PASS" => 32,
            "FAIL" => 31,
            "UNKNOWN" => 35,
            _ => 33,
        };
        if self.coloured { format!("\u{1b}[1;{colour}m{word:<7}\u{1b}[0m") } else { format!("{word:<7}") }
    }
}

/// One outcome: a line, and what is wrong with it.
pub fn outcome_text(outcome: &Outcome, style: Style) -> String {
    let mut text = format!("{}  {}  {}\n", style.word(outcome.verdict.word()), outcome.requirements[0], outcome.claim);
    // Writing to a string cannot fail.
    match &outcome.verdict {
        Verdict::Pass => {}
        Verdict::NotRun { reason } => drop(writeln!(text, "  needs     {reason}")),
        Verdict::Unknown { cause } => {
            let _ = writeln!(text, "  cause     {}\n  alone     {}", indented(cause), outcome.rerun);
        }
        Verdict::Fail { violations } => {
            for (violation, shown) in violations.iter().zip(&outcome.shown) {
                let _ = writeln!(
                    text,
                    "  expected  {}\n  seen      {}",
                    indented(&violation.expected),
                    indented(&violation.seen)
                );
                for request in &shown.requests {
                    let _ = writeln!(text, "    {request}");
                }
                if shown.more > 0 {
                    let _ = writeln!(text, "    … and {} more", shown.more);
                }
            }
            let _ = writeln!(text, "  alone     {}", outcome.rerun);
        }
    }
    text
}

/// All requirements with their verdicts, and one line with the counts.
pub fn summary_text(report: &Report, style: Style) -> String {
    let mut text = looked_text(report);
    for row in matrix(report) {
        let _ = writeln!(
            text,
            "{}  {}  {:>2} of {:<2}  {}",
            style.word(row.verdict),
            row.id,
            row.passed,
            row.run,
            row.text
        );
    }
    let _ = writeln!(
        text,
        "\n{}: {} passed, {} failed, {} unknown, {} not run",
        report.subject,
        report.count("PASS"),
        report.count("FAIL"),
        report.count("UNKNOWN"),
        report.count("NOT RUN")
    );
    text
}

/// Further lines stand under the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n            ")
}
