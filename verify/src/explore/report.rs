//! What the explorer tells: how much was tried, what was broken, and how each violation is seen again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::{
    judge::{Broken, Rule, ended},
    play::Played,
    schedule::Schedule,
};

/// How many violations of each promise are told in full.
const TOLD_MAX: usize = 3;
/// How many other schedules are named.
const NAMED_MAX: usize = 5;

/// What came of all schedules.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explored {
    /// The pipeline.
    pub subject: String,
    /// From what schedules were drawn.
    pub seed: u64,
    /// How many schedules there were.
    pub schedules: usize,
    /// How many different faults could be injected.
    pub fault_schedules_known: usize,
    /// How many schedules were played. The others were left out when time was up.
    pub played: usize,
    /// How many runs of the pipeline that took.
    pub runs: usize,
    /// What was broken.
    pub violations: Vec<Violation>,
    /// After how many runs the first violation was seen, if there is one.
    pub runs_until_first: Option<usize>,
    /// Schedules whose fault met no request: they prove nothing.
    pub not_reached: Vec<String>,
    /// Schedules whose runs did not end by themselves.
    pub stuck: Vec<String>,
    /// Where the harness itself failed.
    pub trouble: Vec<String>,
    /// How long it took until the first schedule, in milliseconds.
    pub prepared_ms: u64,
    /// How long everything took.
    pub took_ms: u64,
    /// For how long processors worked for the runs.
    pub worked_ms: u64,
}

/// A schedule that broke a promise.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Violation {
    /// Its place among all schedules.
    pub number: usize,
    /// Its name.
    pub schedule: String,
    /// Which promises, and how.
    pub broken: Vec<Broken>,
    /// How the runs ended: `older 0`.
    pub ends: Vec<String>,
    /// The writes in their order: `a ghcr/manifest-put/latest`.
    pub writes: Vec<String>,
    /// What each run printed, the end of it.
    pub printed: Vec<String>,
}

impl Violation {
    pub(super) fn new(number: usize, schedule: &Schedule, played: Played) -> Self {
        let letter = |run: usize| match schedule {
            Schedule::Fault { .. } => "",
            Schedule::Race { .. } if run == 0 => "a ",
            Schedule::Race { .. } => "b ",
        };
        Self {
            number,
            schedule: schedule.to_string(),
            broken: played.broken,
            ends: played.ends.iter().map(|(build, end)| format!("{} {}", build.name(), ended(*end))).collect(),
            writes: played.order.iter().map(|(run, request)| format!("{}{request}", letter(*run))).collect(),
            printed: played.printed,
        }
    }
}

impl Explored {
    /// Whether everything was played, and no promise was broken.
    pub fn is_green(&self) -> bool {
        self.violations.is_empty() && self.can_tell()
    }

    /// Whether it can be told that no promise was broken: something was tried, and nothing went wrong with that.
    pub fn can_tell(&self) -> bool {
        self.trouble.is_empty() && self.stuck.is_empty() && self.played > self.not_reached.len()
    }
}

/// The report as a document.
pub fn json(explored: &Explored) -> String {
    let mut document = serde_json::to_value(explored).unwrap_or_default();
    document["verdict"] = verdict(explored).into();
    format!("{document:#}\n")
}

const fn verdict_of(green: bool, violated: bool) -> &'static str {
    match (green, violated) {
        (_, true) => "FAIL",
        (true, false) => "PASS",
        (false, false) => "UNKNOWN",
    }
}

fn verdict(explored: &Explored) -> &'static str {
    verdict_of(explored.is_green(), !explored.violations.is_empty())
}

/// The report for people. `command` is what was typed, but for the schedule.
pub fn text(explored: &Explored, command: &str) -> String {
    let mut text = String::new();
    let mut by_rule: BTreeMap<Rule, Vec<&Violation>> = BTreeMap::new();
    for violation in &explored.violations {
        let mut rules: Vec<Rule> = violation.broken.iter().map(|it| it.rule).collect();
        rules.sort();
        rules.dedup();
        for rule in rules {
            by_rule.entry(rule).or_default().push(violation);
        }
    }
    for (rule, violations) in &by_rule {
        let _ = writeln!(text, "FAIL {} ({} schedules)", rule.words(), violations.len());
        for violation in violations.iter().take(TOLD_MAX) {
            told(&mut text, violation, *rule, command);
        }
        if violations.len() > TOLD_MAX {
            let _ = writeln!(text, "  … and {} more: --output json names them all", violations.len() - TOLD_MAX);
        }
        text.push('\n');
    }
    named(&mut text, "not reached: the fault met no request, which proves nothing", &explored.not_reached);
    named(&mut text, "stuck: the runs did not end by themselves", &explored.stuck);
    named(&mut text, "the harness failed", &explored.trouble);
    let Explored { played, schedules, runs, seed, .. } = explored;
    let left_out = schedules - played.min(schedules);
    let left_out = if left_out > 0 { format!(" ({left_out} left out)") } else { String::new() };
    let _ = writeln!(
        text,
        "{}: {played} schedules{left_out}, {runs} runs, {} violations, {} not reached, {} stuck; seed {seed}",
        verdict(explored),
        explored.violations.len(),
        explored.not_reached.len(),
        explored.stuck.len(),
    );
    if let Some(first) = explored.runs_until_first {
        let _ = writeln!(text, "the first violation was seen after {first} runs");
    }
    let played_ms = explored.took_ms.saturating_sub(explored.prepared_ms);
    let each = |total: u64| total.checked_div(*runs as u64).unwrap_or_default();
    let _ = writeln!(
        text,
        "{} s, {} s of them preparation; a run took {} ms, {} ms of a processor",
        explored.took_ms / 1_000,
        explored.prepared_ms / 1_000,
        each(played_ms),
        each(explored.worked_ms),
    );
    text
}

fn told(text: &mut String, violation: &Violation, rule: Rule, command: &str) {
    for broken in violation.broken.iter().filter(|it| it.rule == rule).take(1) {
        let _ = writeln!(text, "  {}; the runs ended: {}", broken.seen, violation.ends.join(", "));
    }
    let _ = writeln!(text, "    writes: {}", violation.writes.join(" · "));
    let _ = writeln!(text, "    again:  {command} --only {}", violation.schedule);
}

fn named(text: &mut String, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let _ = writeln!(text, "{} {what}:", names.len());
    for name in names.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "  {name}");
    }
    if names.len() > NAMED_MAX {
        let _ = writeln!(text, "  …");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explored() -> Explored {
        Explored { subject: "ours".into(), seed: 7, schedules: 3, played: 3, runs: 9, ..Explored::default() }
    }

    #[test]
    fn nothing_broken_is_a_pass_and_names_the_seed() {
        let text = text(&explored(), "verify explore");
        assert!(text.starts_with("PASS: 3 schedules, 9 runs, 0 violations, 0 not reached, 0 stuck; seed 7"), "{text}");
    }

    #[rstest::rstest]
    #[case::harness(Explored { trouble: vec!["no port".into()], ..explored() })]
    #[case::stuck(Explored { stuck: vec!["main".into()], ..explored() })]
    #[case::nothing_was_tried(Explored { played: 0, ..explored() })]
    #[case::nothing_happened(Explored { not_reached: vec!["a".into(), "b".into(), "c".into()], ..explored() })]
    fn what_proves_nothing_is_not_green(#[case] explored: Explored) {
        assert!(!explored.is_green());
        assert!(text(&explored, "").contains("UNKNOWN: "));
        assert!(json(&explored).contains(r#""verdict": "UNKNOWN""#));
    }

    #[test]
    fn a_violation_names_the_command_that_shows_it_again() {
        let broken = vec![Broken { rule: Rule::Newest, seen: "latest is ghcr: older".into() }];
        let (schedule, ends, writes) = ("older-newer/a0.b0".to_owned(), vec!["older 0".to_owned()], Vec::new());
        let violation = Violation { number: 1, schedule, broken, ends, writes, printed: Vec::new() };
        let explored = Explored { violations: vec![violation], runs_until_first: Some(6), ..explored() };
        let text = text(&explored, "verify explore --subject x --seed 7");
        assert!(text.contains("again:  verify explore --subject x --seed 7 --only older-newer/a0.b0\n"), "{text}");
        assert!(text.contains("FAIL: 3 schedules") && text.contains("seen after 6 runs"), "{text}");
    }
}
