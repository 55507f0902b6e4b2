//! One check's outcome, with all that a maintainer needs to find the bug, and the outcomes of a whole target.

use serde::Serialize;

use super::{Looked, Timeline};
use crate::{check::Check, evidence::Evidence, history::Exchange, look::Wait, verdict::Verdict};

/// How many requests are shown for one violation.
const SHOWN_MAX: usize = 12;

/// All outcomes on one target.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `local`, `live`.
    pub target: String,
    /// What was under test: a subject's name, or references.
    pub subject: String,
    /// One a check, in the catalogue's order.
    pub outcomes: Vec<Outcome>,
    /// What was looked at, if the target is published images.
    pub looked: Vec<Looked>,
    /// What registries did not show at once. That is told apart from what is wrong.
    pub waits: Vec<Wait>,
    /// What happened in each scenario in which something is wrong.
    pub timelines: Vec<Timeline>,
}

impl Report {
    /// How many outcomes have this word: `PASS`, `FAIL`, `UNKNOWN`, `NOT RUN`.
    pub fn count(&self, word: &str) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict.word() == word).count()
    }

    /// Whether everything that could be run was run and passed, and there was something.
    pub fn is_green(&self) -> bool {
        self.count("PASS") > 0 && self.count("FAIL") == 0 && self.count("UNKNOWN") == 0
    }
}

/// What became of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// `fr_017::nothing_is_published_when_one_platform_fails`
    pub id: String,
    /// The claim in words.
    pub claim: String,
    /// The requirements that it belongs to.
    pub requirements: Vec<&'static str>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// For each violation in turn, the requests that show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// How to run this check alone.
    pub rerun: String,
}

/// Requests that show a violation, as lines.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Shown {
    /// One a request, in order.
    pub requests: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Outcome {
    /// Of a check on evidence; `rerun` is the command that repeats it.
    pub fn of(check: &Check, verdict: Verdict, evidence: Option<&Evidence>, rerun: String) -> Self {
        let history = evidence.map(|evidence| evidence.history.as_slice()).unwrap_or_default();
        let shown = match &verdict {
            Verdict::Fail { violations } => violations.iter().map(|it| show(history, &it.exchanges)).collect(),
            _ => Vec::new(),
        };
        Self { id: check.id(), claim: check.words(), requirements: check.requirements.to_vec(), verdict, shown, rerun }
    }
}

fn show(history: &[Exchange], indexes: &[usize]) -> Shown {
    let lines: Vec<String> = indexes.iter().filter_map(|index| Some(line(history.get(*index)?))).collect();
    let more = lines.len().saturating_sub(SHOWN_MAX);
    Shown { requests: lines.into_iter().take(SHOWN_MAX).collect(), more }
}

/// ` 12.345 s  dockerhub  PUT /v2/acme/hello/manifests/latest  503  (tag refused)`
fn line(exchange: &Exchange) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people, in seconds")]
    let seconds = exchange.began_ms as f64 / 1000.0;
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let fault = exchange.fault.as_deref().map(|fault| format!("  ({fault})")).unwrap_or_default();
    format!("{seconds:>8.3} s  {:<10} {:<6} {}  {status}{fault}", exchange.server, exchange.method, exchange.path)
}
