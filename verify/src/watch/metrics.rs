//! The last round as numbers, in Prometheus' text format (exposition formats, version 0.0.4).

use std::{fmt::Write as _, time::UNIX_EPOCH};

use super::board::State;
use crate::report::Report;

/// All metrics. Those of a round are there once one has ended.
pub fn metrics(state: &State, healthy: bool) -> String {
    let mut page = Page::default();
    page.family("tallyman_up", "gauge", "Whether rounds end in time.");
    page.line("tallyman_up", &[], f64::from(u8::from(healthy)));
    page.family("tallyman_rounds_total", "counter", "Rounds that ended.");
    page.line("tallyman_rounds_total", &[], count(state.ended));
    page.family("tallyman_rounds_given_up_total", "counter", "Rounds that took too long.");
    page.line("tallyman_rounds_given_up_total", &[], count(state.given_up));
    if let Some(round) = &state.last {
        let at = round.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.family("tallyman_round_timestamp_seconds", "gauge", "When the last round ended.");
        page.line("tallyman_round_timestamp_seconds", &[], at.as_secs_f64());
        page.family("tallyman_round_duration_seconds", "gauge", "How long the last round took.");
        page.line("tallyman_round_duration_seconds", &[], round.took.as_secs_f64());
        page.report(&round.report);
    }
    page.0
}

/// Exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "no service has that many rounds")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn report(&mut self, report: &Report) {
        self.family("tallyman_verified", "gauge", "Whether every check that was run passed.");
        self.line("tallyman_verified", &[], f64::from(u8::from(report.is_green())));
        self.family("tallyman_checks", "gauge", "Checks by verdict.");
        for (word, label) in [("PASS", "pass"), ("FAIL", "fail"), ("UNKNOWN", "unknown"), ("NOT RUN", "not-run")] {
            self.line("tallyman_checks", &[("verdict", label)], count(report.count(word) as u64));
        }
        self.family("tallyman_check_passed", "gauge", "Whether a check passed, of those that could tell.");
        for outcome in &report.outcomes {
            let passed = match outcome.verdict.word() {
                "PASS" => 1.0,
                "FAIL" => 0.0,
                _ => continue,
            };
            let labels = [("check", outcome.id.as_str()), ("requirement", outcome.requirements[0])];
            self.line("tallyman_check_passed", &labels, passed);
        }
        self.family("tallyman_image_info", "gauge", "What each reference names.");
        for looked in &report.looked {
            let labels =
                [("reference", looked.reference.as_str()), ("digest", looked.digest.as_deref().unwrap_or_default())];
            self.line("tallyman_image_info", &labels, 1.0);
        }
    }

    // Writing to a string cannot fail.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

/// A label's value, as it stands between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
