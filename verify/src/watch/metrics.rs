//! The last round as numbers, in Prometheus' text format (exposition formats, version 0.0.4).

use std::{fmt::Write as _, time::UNIX_EPOCH};

use super::rounds::State;
use crate::report::Report;

/// All metrics. Those of a round are there once one has ended.
pub fn metrics(state: &State, healthy: bool) -> String {
    let mut page = String::new();
    single(&mut page, "tallyman_up", "gauge", "Whether rounds end in time.", flag(healthy));
    single(&mut page, "tallyman_rounds_total", "counter", "Rounds that ended.", number(state.ended));
    let given_up = number(state.given_up);
    single(&mut page, "tallyman_rounds_given_up_total", "counter", "Rounds that took too long.", given_up);
    if let Some(round) = &state.last {
        let at = round.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        single(&mut page, "tallyman_round_timestamp_seconds", "gauge", "When the last round ended.", at);
        let took = round.took.as_secs_f64();
        single(&mut page, "tallyman_round_duration_seconds", "gauge", "How long the last round took.", took);
        add_report(&mut page, &round.report);
    }
    page
}

fn add_report(page: &mut String, report: &Report) {
    let verified = flag(report.is_green());
    single(page, "tallyman_verified", "gauge", "Whether every check that was run passed.", verified);
    let verdicts = [("PASS", "pass"), ("FAIL", "fail"), ("UNKNOWN", "unknown"), ("NOT RUN", "not-run")];
    let verdicts = verdicts.map(|(word, name)| (labels(&[("verdict", name)]), number(report.count(word) as u64)));
    metric(page, "tallyman_checks", "gauge", "Checks by verdict.", verdicts);
    let passed = report.outcomes.iter().filter_map(|outcome| {
        let passed = match outcome.verdict.word() {
            "PASS" => true,
            "FAIL" => false,
            _ => return None,
        };
        Some((labels(&[("check", &outcome.id), ("requirement", outcome.requirements[0])]), flag(passed)))
    });
    metric(page, "tallyman_check_passed", "gauge", "Whether a check passed, of those that could tell.", passed);
    let images = report.looked.iter().map(|image| {
        let digest = image.digest.as_deref().unwrap_or_default();
        (labels(&[("reference", &image.reference), ("digest", digest)]), 1.0)
    });
    metric(page, "tallyman_image_info", "gauge", "What each reference names.", images);
}

fn single(page: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    metric(page, name, kind, help, [(String::new(), value)]);
}

fn metric(page: &mut String, name: &str, kind: &str, help: &str, values: impl IntoIterator<Item = (String, f64)>) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(page, "{name}{labels} {value}");
    }
}

fn labels(labels: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

/// Exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "no service has that many rounds")]
const fn number(number: u64) -> f64 {
    number as f64
}
