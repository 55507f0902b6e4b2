//! A check: one claim about a requirement, what it needs, and how evidence is judged.

use crate::{evidence::Evidence, oracle::Violation, scenario::Scenario, verdict::Verdict};

/// What a target must have so that a check can run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A published image that can be read.
    Image,
    /// podman, to pull and run a published image.
    Podman,
    /// A pipeline that can be made to run.
    Subject,
    /// Faults that can be injected.
    Faults,
    /// The history of all requests.
    History,
    /// Everything that a registry holds, untagged manifests too.
    Contents,
    /// A GitHub workflow that can be read.
    Workflow,
    /// A workflow's matrix of platforms that is written down, not computed while it runs.
    Matrix,
}

impl Need {
    /// In words: what is missing where it is missing.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Podman => "podman and emulation",
            Self::Subject => "a pipeline to run",
            Self::Faults => "faults to inject",
            Self::History => "the history of all requests",
            Self::Contents => "what registries hold without a tag",
            Self::Workflow => "a workflow",
            Self::Matrix => "a matrix of platforms that is written down",
        }
    }
}

/// Why nobody can tell whether a claim holds, though the harness works: what it is about did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Inconclusive(pub String);

/// What a judge says: the violations, none if the claim holds.
pub type Judgement = Result<Vec<Violation>, Inconclusive>;

/// One claim.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The claim, as the name of a trial: `nothing_is_published_when_one_platform_fails`.
    pub claim: &'static str,
    /// The requirements that it belongs to; the first is the one in whose file it stands.
    pub requirements: &'static [&'static str],
    /// What it needs.
    pub needs: &'static [Need],
    /// The scenario whose evidence it judges, where a pipeline can be made to run; none for what no run shows.
    pub scenario: Option<Scenario>,
    /// Judges.
    pub judge: fn(&Evidence) -> Judgement,
}

impl Check {
    /// A check that only looks at a published image.
    pub const fn looking(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Image], scenario: Some(Scenario::Images), judge }
    }

    /// A check that looks at what podman makes of a published image.
    pub const fn running(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Image, Need::Podman], scenario: Some(Scenario::Images), judge }
    }

    /// A check that watches a pipeline in a scenario.
    pub const fn watching(
        claim: &'static str,
        requirements: &'static [&'static str],
        scenario: Scenario,
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        let needs: &[Need] = if scenario.injects_faults() {
            &[Need::Subject, Need::History, Need::Contents, Need::Faults]
        } else {
            &[Need::Subject, Need::History, Need::Contents]
        };
        Self { claim, requirements, needs, scenario: Some(scenario), judge }
    }

    /// A check that reads a workflow.
    pub const fn reading(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Workflow], scenario: None, judge }
    }

    /// A check that reads a workflow's matrix.
    pub const fn reading_matrix(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Workflow, Need::Matrix], scenario: None, judge }
    }

    /// Its name within a target: `fr_017::nothing_is_published_when_one_platform_fails`.
    pub fn id(&self) -> String {
        format!("{}::{}", self.requirements[0].to_lowercase().replace('-', "_"), self.claim)
    }

    /// The claim in words.
    pub fn words(&self) -> String {
        self.claim.replace('_', " ")
    }

    /// Judges evidence. Evidence whose taking had trouble, or whose faults never met a request, proves nothing. A request of a
    /// kind that nobody knows excuses nothing; but where it may have changed something, no judge knows whether all is well.
    pub fn verdict(&self, evidence: &Evidence) -> Verdict {
        if let Some(trouble) = evidence.trouble.first() {
            return Verdict::Unknown { cause: trouble.clone() };
        }
        match (self.judge)(evidence) {
            Ok(violations) if violations.is_empty() && self.needs.contains(&Need::History) => {
                match evidence.unknown_request().filter(|it| !it.only_reads()) {
                    Some(it) => {
                        Verdict::Unknown { cause: format!("nobody knows the request {} {}", it.method, it.path) }
                    }
                    None => Verdict::Pass,
                }
            }
            Ok(violations) => Verdict::of(violations),
            Err(Inconclusive(cause)) => Verdict::Unknown { cause },
        }
    }
}

#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "all judges have one type")]
mod tests {
    use rstest::rstest;

    use super::*;

    fn holds(_: &Evidence) -> Judgement {
        Ok(Vec::new())
    }

    fn does_not(_: &Evidence) -> Judgement {
        Ok(vec![Violation::new("something", "nothing")])
    }

    /// A request of a kind that nobody knows is told beside what was judged.
    #[rstest]
    #[case::a_failure_stays_one("POST", does_not, "FAIL")]
    #[case::what_only_reads_changes_nothing("GET", holds, "PASS")]
    #[case::what_may_write_leaves_it_open("POST", holds, "UNKNOWN")]
    fn unknown_requests(#[case] method: &str, #[case] judge: fn(&Evidence) -> Judgement, #[case] word: &str) {
        let exchange = serde_json::json!({
            "server": "github-api", "began_ms": 0, "ended_ms": 1, "method": method, "path": "/user", "operation": null,
            "headers": {}, "sent": 0, "forwarded": true, "status": 404, "answer_headers": {}, "received": 0,
        });
        let evidence = Evidence { history: vec![serde_json::from_value(exchange).unwrap()], ..Evidence::default() };
        let check = Check::watching("it_is_so", &["FR-001"], Scenario::Releases, judge);
        assert_eq!(check.verdict(&evidence).word(), word);
    }
}
