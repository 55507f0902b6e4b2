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
    /// A pipeline that can be run, with its requests recorded and made to fail.
    Subject,
    /// A GitHub workflow that can be read.
    Workflow,
    /// A workflow's matrix of platforms that is written down, not computed while it runs.
    Matrix,
}

impl Need {
    /// In words, for a check that is not run for the lack of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Podman => "podman and emulation",
            Self::Subject => "a pipeline to run",
            Self::Workflow => "a workflow",
            Self::Matrix => "a matrix of platforms that is written down",
        }
    }
}

/// Why it is unknown whether a claim holds although the harness works, such as a fault that never met a request.
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
    /// A check of published images as they are read from a registry.
    pub const fn image(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Image], scenario: Some(Scenario::Images), judge }
    }

    /// A check of published images as podman pulls and runs them.
    pub const fn container(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { needs: &[Need::Image, Need::Podman], ..Self::image(claim, requirements, judge) }
    }

    /// A check of what a pipeline does in a scenario.
    pub const fn pipeline(
        claim: &'static str,
        requirements: &'static [&'static str],
        scenario: Scenario,
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Subject], scenario: Some(scenario), judge }
    }

    /// A check of a workflow's file.
    pub const fn workflow(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { claim, requirements, needs: &[Need::Workflow], scenario: None, judge }
    }

    /// A check of a workflow's matrix.
    pub const fn matrix(
        claim: &'static str,
        requirements: &'static [&'static str],
        judge: fn(&Evidence) -> Judgement,
    ) -> Self {
        Self { needs: &[Need::Workflow, Need::Matrix], ..Self::workflow(claim, requirements, judge) }
    }

    /// Its name within a target: `fr_017::nothing_is_published_when_one_platform_fails`.
    pub fn id(&self) -> String {
        format!("{}::{}", self.requirements[0].to_lowercase().replace('-', "_"), self.claim)
    }

    /// The claim in words.
    pub fn words(&self) -> String {
        self.claim.replace('_', " ")
    }

    /// Judges evidence. If the harness had trouble, the claim is unknown. A request of an unknown kind excuses no violation;
    /// but if it may have written, a claim without violations is unknown, too.
    pub fn verdict(&self, evidence: &Evidence) -> Verdict {
        if let Some(trouble) = evidence.trouble.first() {
            return Verdict::Unknown { cause: trouble.clone() };
        }
        let unknown_request =
            evidence.unknown_request().filter(|it| self.needs.contains(&Need::Subject) && !it.only_reads());
        match ((self.judge)(evidence), unknown_request) {
            (Ok(violations), Some(it)) if violations.is_empty() => {
                Verdict::Unknown { cause: format!("the request {} {} is of an unknown kind", it.method, it.path) }
            }
            (Ok(violations), _) => Verdict::of(violations),
            (Err(Inconclusive(cause)), _) => Verdict::Unknown { cause },
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

    /// A request of an unknown kind does not hide a failure.
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
        let check = Check::pipeline("it_is_so", &["FR-001"], Scenario::Releases, judge);
        assert_eq!(check.verdict(&evidence).word(), word);
    }
}
