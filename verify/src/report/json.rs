//! One JSON document.

use serde_json::json;

use super::{Report, matrix};

/// The report with its counts and its matrix, pretty-printed.
pub fn json(report: &Report) -> String {
    let counts = json!({
        "pass": report.count("PASS"),
        "fail": report.count("FAIL"),
        "unknown": report.count("UNKNOWN"),
        "not-run": report.count("NOT RUN"),
        "waived": report.count("WAIVED"),
    });
    let document = json!({
        "target": report.target,
        "subject": report.subject,
        "green": report.is_green(),
        "counts": counts,
        "requirements": matrix(report),
        "checks": report.outcomes,
        "looked": report.looked,
        "waits": report.waits,
    });
    format!("{document:#}")
}
