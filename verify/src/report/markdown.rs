//! Markdown for a job summary: the requirement matrix, then what is wrong.

use std::fmt::Write as _;

use super::{Report, looked::wait_text, matrix, outcome_text};

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut page = format!(
        "## {}: {}\n\n`{}` · {}\n\n| | requirement | checks | |\n| --- | --- | --- | --- |\n",
        if report.is_green() { "✅ verified" } else { "❌ not verified" },
        report.counts(),
        cell(&report.subject),
        report.target,
    );
    for row in matrix(report) {
        let mark = match row.verdict {
            "PASS" => "✅",
            "FAIL" => "❌",
            "UNKNOWN" => "❔",
            _ => "–",
        };
        // Writing to a string cannot fail.
        let (id, text, verdict) = (row.id, cell(row.text), row.verdict);
        let _ = writeln!(page, "| {id} | {text} | {} of {} | {mark} {verdict} |", row.passed, row.run);
    }
    for outcome in report.notable() {
        let _ = write!(
            page,
            "\n### {} {}: {}\n\n```text\n{}```\n",
            outcome.verdict.word(),
            outcome.requirements[0],
            cell(&outcome.claim),
            outcome_text(outcome, false).replace("```", "'''"),
        );
    }
    if !report.looked.is_empty() {
        page.push_str("\n| looked at | digest | images |\n| --- | --- | --- |\n");
    }
    for looked in &report.looked {
        let images: Vec<String> = looked.images.iter().map(|image| cell(&image.short())).collect();
        let digest = looked.digest.as_deref().unwrap_or("not there");
        let _ = writeln!(page, "| `{}` | `{}` | {} |", cell(&looked.reference), cell(digest), images.join(", "));
    }
    for wait in &report.waits {
        let _ = writeln!(page, "\n{}", cell(&wait_text(wait)));
    }
    page
}

/// Text that cannot leave its table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
