//! Printing: results to stdout, progress and errors to stderr, colour only on a terminal that wants it.

use std::io::{self, IsTerminal as _, Write as _};

use super::{arguments::Output, exit};
use crate::{
    harness::HarnessError,
    report::{Report, html, json, junit, markdown, outcome_text, summary_text},
};

/// Prints a report.
pub(super) fn report(report: &Report, output: Output) -> Result<(), HarnessError> {
    let text = match output {
        Output::Json => json(report) + "\n",
        Output::Junit => junit(report).map_err(HarnessError::other("cannot write JUnit"))?,
        Output::Markdown => markdown(report),
        Output::Html => html(report),
        Output::Text => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
            let colour = wanted && io::stdout().is_terminal();
            let wrong: String = report.notable().map(|outcome| outcome_text(outcome, colour) + "\n").collect();
            wrong + &summary_text(report, colour)
        }
    };
    print(&text)
}

/// Prints a result.
pub(super) fn print(text: &str) -> Result<(), HarnessError> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(HarnessError::io("cannot print"))
}

/// Prints a line about progress, or an error, to stderr.
pub(super) fn progress(text: &str) {
    // Nobody reads it if it cannot be written.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints what is wrong with the command line, and returns the exit code for that.
pub(super) fn usage(error: &dyn std::error::Error, hint: &str) -> u8 {
    progress(&format!("error: {error}\nhint: {hint}"));
    exit::USAGE
}

/// Prints an error of the harness.
pub(super) fn error(error: &HarnessError) {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    progress(&format!("error: {}{hint}", error.with_causes()));
}
