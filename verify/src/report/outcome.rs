//! The outcome of a check with all that a maintainer needs to find the bug, and the outcomes of a whole target.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::{Looked, Timeline};
use crate::{
    check::Check,
    client::Wait,
    evidence::{Evidence, Run},
    history::Exchange,
    verdict::Verdict,
};

/// How many requests are shown for one violation.
const SHOWN_MAX: usize = 12;

/// The words of verdicts, and what is counted under them.
pub(super) const VERDICTS: [(&str, &str); 5] =
    [("PASS", "passed"), ("FAIL", "failed"), ("UNKNOWN", "unknown"), ("NOT RUN", "not run"), ("WAIVED", "waived")];

/// All outcomes on one target.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// `local`, `live`.
    pub target: String,
    /// What was under test: a subject's name, or references.
    pub subject: String,
    /// One a check, in the catalogue's order.
    pub outcomes: Vec<Outcome>,
    /// What was looked at, if the target is published images.
    pub looked: Vec<Looked>,
    /// What registries did not show at once, which is not wrong in itself.
    pub waits: Vec<Wait>,
    /// What happened in each scenario in which something is wrong.
    pub timelines: Vec<Timeline>,
}

impl Report {
    /// How many outcomes have this word: `PASS`, `FAIL`, `UNKNOWN`, `NOT RUN`, `WAIVED`.
    pub fn count(&self, word: &str) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict.word() == word).count()
    }

    /// How many outcomes there are of each kind; waived ones are named only where there are any.
    pub fn counts(&self) -> String {
        let shown = VERDICTS.iter().filter(|(word, _)| *word != "WAIVED" || self.count(word) > 0);
        shown.map(|(word, text)| format!("{} {text}", self.count(word))).collect::<Vec<_>>().join(", ")
    }

    /// The outcomes that people must read: what is wrong, and what was waived.
    pub fn notable(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.verdict.word(), "FAIL" | "UNKNOWN" | "WAIVED"))
    }

    /// Whether everything that could be run was run and passed, and there was something.
    pub fn is_green(&self) -> bool {
        self.count("PASS") > 0 && self.count("FAIL") == 0 && self.count("UNKNOWN") == 0
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// `fr_017::nothing_is_published_when_one_platform_fails`
    pub id: String,
    /// The claim in words.
    pub claim: String,
    /// The requirements that it belongs to.
    pub requirements: Vec<&'static str>,
    /// What the pipeline was made to do: `releases: a build of main, a release, a build of changed main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
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
        let shown = match (&verdict, evidence) {
            (Verdict::Fail { violations }, Some(evidence)) => {
                violations.iter().map(|it| show(evidence, &it.exchanges)).collect()
            }
            _ => Vec::new(),
        };
        let scenario =
            evidence.filter(|evidence| !evidence.runs.is_empty()).and_then(|_| Some(check.scenario?.words()));
        Self {
            id: check.id(),
            claim: check.words(),
            requirements: check.requirements.to_vec(),
            scenario,
            verdict,
            shown,
            rerun,
        }
    }
}

fn show(evidence: &Evidence, indexes: &[usize]) -> Shown {
    let exchanges: Vec<&Exchange> = indexes.iter().filter_map(|index| evidence.history.get(*index)).collect();
    let lines = exchanges.iter().take(SHOWN_MAX).map(|exchange| line(exchange, run_of(evidence, exchange)));
    Shown { requests: lines.collect(), more: exchanges.len().saturating_sub(SHOWN_MAX) }
}

/// The name of the run that was going on; nothing if there was none.
fn run_of<'a>(evidence: &'a Evidence, exchange: &Exchange) -> &'a str {
    let during = |run: &&Run| run.span_ms().contains(&exchange.began_ms);
    evidence.runs.iter().find(during).map_or("", |run| run.name.as_str())
}

/// ` 12.345 s  second main     dockerhub   PUT    /v2/acme/hello/manifests/latest  503  (tag refused)`
fn line(exchange: &Exchange, run: &str) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people, in seconds")]
    let seconds = exchange.began_ms as f64 / 1000.0;
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let fault = exchange.fault.as_deref().map(|fault| format!("  ({fault})")).unwrap_or_default();
    let (server, method, path) = (&exchange.server, &exchange.method, short(&exchange.path));
    format!("{seconds:>8.3} s  {run:<14}  {server:<10}  {method:<6} {path}  {status}{fault}")
}

/// Digests that are longer than what people compare.
static LONG_DIGEST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(sha256:[0-9a-fA-F]{12})[0-9a-fA-F]+").ok());

/// A path as people read it: digests shortened, opaque parameters left out.
fn short(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let shown: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains("=#")).collect();
    let whole = if shown.is_empty() { path.to_owned() } else { format!("{path}?{}", shown.join("&")) };
    LONG_DIGEST.as_ref().map(|digest| digest.replace_all(&whole, "${1}…").into_owned()).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::short;

    #[rstest]
    #[case::as_it_is("/v2/acme/hello/manifests/latest", "/v2/acme/hello/manifests/latest")]
    #[case::a_digest("/v2/a/manifests/sha256:0123456789abcdef", "/v2/a/manifests/sha256:0123456789ab…")]
    #[case::a_short_one("/v2/a/manifests/sha256:0123", "/v2/a/manifests/sha256:0123")]
    #[case::what_is_opaque(
        "/v2/a/blobs/uploads/1?_state=#871d&digest=sha256:ab&n=1",
        "/v2/a/blobs/uploads/1?digest=sha256:ab&n=1"
    )]
    #[case::nothing_else("/v2/a/blobs/uploads/1?_state=#871d", "/v2/a/blobs/uploads/1")]
    fn paths_are_shown_as_people_read_them(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(short(path), expected);
    }
}
