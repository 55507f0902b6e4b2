//! The report: how much was tried, what was violated, and the command that repeats each violation.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{
    execution::Execution,
    judge::{Invariant, Violation},
    schedule::Schedule,
};
use crate::harness::HarnessError;

/// How many schedules are shown in full for each invariant.
const SHOWN_MAX: usize = 3;
/// How many other schedules are named.
const NAMED_MAX: usize = 5;

/// The results of all schedules.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExploreReport {
    /// The pipeline.
    pub subject: String,
    /// The seed that schedules were drawn with.
    pub seed: u64,
    /// How many schedules there were.
    pub schedules: usize,
    /// How many different faults could be injected.
    pub fault_schedules_known: usize,
    /// How many schedules were executed. The others were left out when time was up.
    pub played: usize,
    /// How many runs of the pipeline that took.
    pub runs: usize,
    /// The schedules that violated an invariant.
    pub violations: Vec<FailedSchedule>,
    /// How many runs it took to see the first of them.
    pub runs_until_first: Option<usize>,
    /// Schedules whose fault met no request: they prove nothing.
    pub not_reached: Vec<String>,
    /// Schedules whose runs did not end by themselves.
    pub stuck: Vec<String>,
    /// Where the harness itself failed.
    pub trouble: Vec<String>,
    /// The time until the first schedule, in milliseconds.
    pub prepared_ms: u64,
    /// The whole time.
    pub took_ms: u64,
    /// How long processors worked for the runs.
    pub worked_ms: u64,
}

/// A schedule that violated an invariant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedSchedule {
    /// Its place among all schedules.
    pub number: usize,
    /// Its name.
    pub schedule: String,
    /// The violations.
    pub broken: Vec<Violation>,
    /// How the runs ended: `older 0`.
    pub ends: Vec<String>,
    /// The writes in their order: `a ghcr/manifest-put/latest`.
    pub writes: Vec<String>,
    /// The end of what each run printed.
    pub printed: Vec<String>,
}

impl ExploreReport {
    /// Adds the result of a schedule.
    pub(super) fn add(&mut self, number: usize, schedule: &Schedule, result: Result<Execution, HarnessError>) {
        let execution = match result {
            Ok(execution) => execution,
            Err(error) => return self.trouble.push(format!("{schedule}: {}", error.with_causes())),
        };
        self.played += 1;
        self.runs += execution.runs;
        self.worked_ms += execution.worked_ms;
        self.trouble.extend(execution.trouble.iter().map(|trouble| format!("{schedule}: {trouble}")));
        if execution.stuck {
            self.stuck.push(schedule.to_string());
        }
        if !execution.reached {
            self.not_reached.push(schedule.to_string());
        }
        if !execution.violations.is_empty() {
            self.runs_until_first.get_or_insert(self.runs);
            self.violations.push(FailedSchedule::new(number, schedule, execution));
        }
    }

    /// `PASS`, `FAIL`, or `UNKNOWN` if nothing was tried or something went wrong while it was tried.
    pub fn verdict(&self) -> &'static str {
        match (self.violations.is_empty(), self.is_conclusive()) {
            (false, _) => "FAIL",
            (true, true) => "PASS",
            (true, false) => "UNKNOWN",
        }
    }

    /// Whether something was tried, and nothing but the pipeline went wrong.
    pub fn is_conclusive(&self) -> bool {
        self.trouble.is_empty() && self.stuck.is_empty() && self.played > self.not_reached.len()
    }
}

impl FailedSchedule {
    fn new(number: usize, schedule: &Schedule, execution: Execution) -> Self {
        let run = |run: usize| match schedule {
            Schedule::Fault { .. } => "",
            Schedule::Race { .. } if run == 0 => "a ",
            Schedule::Race { .. } => "b ",
        };
        Self {
            number,
            schedule: schedule.to_string(),
            broken: execution.violations,
            ends: execution.exits.iter().map(|(build, exit)| format!("{} {exit}", build.name())).collect(),
            writes: execution.order.iter().map(|(number, request)| format!("{}{request}", run(*number))).collect(),
            printed: execution.printed,
        }
    }
}

/// The report as JSON.
pub fn json(report: &ExploreReport) -> String {
    let mut document = serde_json::to_value(report).unwrap_or_default();
    document["verdict"] = report.verdict().into();
    format!("{document:#}\n")
}

/// The report for people. `command` is the command line without the schedule.
pub fn text(report: &ExploreReport, command: &str) -> String {
    let mut by_invariant: BTreeMap<Invariant, Vec<(&FailedSchedule, &Violation)>> = BTreeMap::new();
    for failed in &report.violations {
        for violation in &failed.broken {
            let schedules = by_invariant.entry(violation.invariant).or_default();
            if schedules.last().is_none_or(|(last, _)| last.number != failed.number) {
                schedules.push((failed, violation));
            }
        }
    }
    // Writing to a string cannot fail.
    let mut text = String::new();
    for (invariant, schedules) in &by_invariant {
        let _ = writeln!(text, "FAIL {} ({} schedules)", invariant.sentence(), schedules.len());
        for (failed, violation) in schedules.iter().take(SHOWN_MAX) {
            let _ = writeln!(text, "  {}; the runs ended: {}", violation.seen, failed.ends.join(", "));
            let _ = writeln!(text, "    writes: {}", failed.writes.join(" · "));
            let _ = writeln!(text, "    again:  {command} --only {}", failed.schedule);
        }
        if schedules.len() > SHOWN_MAX {
            let _ = writeln!(text, "  … and {} more: --output json names them all", schedules.len() - SHOWN_MAX);
        }
        text.push('\n');
    }
    name_some(&mut text, "not reached: the fault met no request, which proves nothing", &report.not_reached);
    name_some(&mut text, "stuck: the runs did not end by themselves", &report.stuck);
    name_some(&mut text, "the harness failed", &report.trouble);
    let ExploreReport { played, schedules, runs, seed, .. } = report;
    let left_out = match schedules.saturating_sub(*played) {
        0 => String::new(),
        count => format!(" ({count} left out)"),
    };
    let _ = writeln!(
        text,
        "{}: {played} schedules{left_out}, {runs} runs, {} violations, {} not reached, {} stuck; seed {seed}",
        report.verdict(),
        report.violations.len(),
        report.not_reached.len(),
        report.stuck.len(),
    );
    if let Some(first) = report.runs_until_first {
        let _ = writeln!(text, "the first violation was seen after {first} runs");
    }
    let each = |total: u64| total.checked_div(*runs as u64).unwrap_or_default();
    let _ = writeln!(
        text,
        "{} s, {} s of them preparation; a run took {} ms, {} ms of a processor",
        report.took_ms / 1_000,
        report.prepared_ms / 1_000,
        each(report.took_ms.saturating_sub(report.prepared_ms)),
        each(report.worked_ms),
    );
    text
}

fn name_some(text: &mut String, what: &str, names: &[String]) {
    if !names.is_empty() {
        let more = if names.len() > NAMED_MAX { "  …\n" } else { "" };
        let shown = names[..names.len().min(NAMED_MAX)].join("\n  ");
        let _ = write!(text, "{} {what}:\n  {shown}\n{more}", names.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ExploreReport {
        ExploreReport { subject: "ours".into(), seed: 7, schedules: 3, played: 3, runs: 9, ..ExploreReport::default() }
    }

    #[test]
    fn a_pass_names_the_seed() {
        let text = text(&report(), "verify explore");
        assert!(text.starts_with("PASS: 3 schedules, 9 runs, 0 violations, 0 not reached, 0 stuck; seed 7"), "{text}");
    }

    #[rstest::rstest]
    #[case::harness(ExploreReport { trouble: vec!["no port".into()], ..report() })]
    #[case::stuck(ExploreReport { stuck: vec!["main".into()], ..report() })]
    #[case::nothing_was_tried(ExploreReport { played: 0, ..report() })]
    #[case::nothing_happened(ExploreReport { not_reached: vec!["a".into(), "b".into(), "c".into()], ..report() })]
    fn an_inconclusive_report_is_unknown(#[case] report: ExploreReport) {
        assert!(report.verdict() != "PASS");
        assert!(text(&report, "").contains("UNKNOWN: "));
        assert!(json(&report).contains(r#""verdict": "UNKNOWN""#));
    }

    #[test]
    fn a_violation_has_the_command_that_repeats_it() {
        let broken = vec![Violation { invariant: Invariant::Newest, seen: "latest is ghcr: older".into() }];
        let (schedule, ends, writes) = ("older-newer/a0.b0".to_owned(), vec!["older 0".to_owned()], Vec::new());
        let violation = FailedSchedule { number: 1, schedule, broken, ends, writes, printed: Vec::new() };
        let report = ExploreReport { violations: vec![violation], runs_until_first: Some(6), ..report() };
        let text = text(&report, "verify explore --subject x --seed 7");
        assert!(text.contains("again:  verify explore --subject x --seed 7 --only older-newer/a0.b0\n"), "{text}");
        assert!(text.contains("FAIL: 3 schedules") && text.contains("seen after 6 runs"), "{text}");
    }
}
