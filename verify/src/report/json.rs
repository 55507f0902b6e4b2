//! One JSON document.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Report, matrix, outcome::VERDICTS};

/// The report with its counts and its matrix, pretty-printed.
pub fn json(report: &Report) -> String {
    let counts = VERDICTS.map(|(word, _)| (word.to_lowercase().replace(' ', "-"), report.count(word)));
    let counts = BTreeMap::from(counts);
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
