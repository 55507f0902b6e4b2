//! The outcome of each job in a run, as far as the file tells it.

use std::collections::BTreeMap;

use super::{
    Event, Gate, Job, Step, Workflow,
    expression::{all, asks_status, holds, literal},
};

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It runs, and is assumed to succeed.
    Runs,
    /// It runs and fails.
    Fails,
    /// It is cancelled while it runs.
    Cancelled,
    /// It is skipped.
    Skipped,
    /// It depends on what is known only when it runs.
    Open,
}

impl Outcome {
    /// As expressions see it.
    const fn result(self) -> Option<&'static str> {
        match self {
            Self::Runs => Some("success"),
            Self::Fails => Some("failure"),
            Self::Cancelled => Some("cancelled"),
            Self::Skipped => Some("skipped"),
            Self::Open => None,
        }
    }
}

/// The outcomes of all jobs, by their names, when an event starts a workflow. One job may fail or be cancelled.
pub fn outcomes<'a>(
    workflow: &'a Workflow,
    event: Event,
    broken: Option<(&str, Outcome)>,
) -> BTreeMap<&'a str, Outcome> {
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    loop {
        let ready = workflow.jobs.iter().find(|job| {
            let mut needed = workflow.jobs.iter().filter(|other| job.needs(other));
            !outcomes.contains_key(job.id.as_str()) && needed.all(|other| outcomes.contains_key(other.id.as_str()))
        });
        let Some(job) = ready else { break };
        let outcome = match (outcome(workflow, job, event, &outcomes), broken) {
            (Outcome::Skipped, _) => Outcome::Skipped,
            (_, Some((name, outcome))) if name == job.id => outcome,
            (outcome, _) => outcome,
        };
        outcomes.insert(&job.id, outcome);
    }
    // Jobs that need each other in a circle: GitHub refuses such a file.
    for job in &workflow.jobs {
        outcomes.entry(&job.id).or_insert(Outcome::Open);
    }
    outcomes
}

fn outcome(workflow: &Workflow, job: &Job, event: Event, outcomes: &BTreeMap<&str, Outcome>) -> Outcome {
    match all(job.gates.iter().map(|gate| passes(workflow, gate, event, outcomes))) {
        Some(true) => Outcome::Runs,
        Some(false) => Outcome::Skipped,
        None => Outcome::Open,
    }
}

fn passes(workflow: &Workflow, gate: &Gate, event: Event, outcomes: &BTreeMap<&str, Outcome>) -> Option<bool> {
    let ancestors = awaited(workflow, &Job { gates: vec![gate.clone()], ..Job::default() });
    let outcome = |job: &&Job| outcomes.get(job.id.as_str()).copied().unwrap_or(Outcome::Open);
    let earlier: Vec<Outcome> = ancestors.iter().map(outcome).collect();
    let known = |name: &str| match name {
        "always()" => Some("true".to_owned()),
        "cancelled()" => Some(earlier.contains(&Outcome::Cancelled).to_string()),
        "success()" => succeeded(&earlier).map(|truth| truth.to_string()),
        "failure()" => failed(&earlier).map(|truth| truth.to_string()),
        "needs.*.result" => {
            let results: Option<Vec<String>> =
                gate.needs.iter().map(|need| result(workflow, gate, need, outcomes)).collect();
            Some(format!("fromJSON({})", literal(&serde_json::json!(results?).to_string())))
        }
        _ => match name.strip_prefix("needs.").and_then(|name| name.strip_suffix(".result")) {
            Some(need) => result(workflow, gate, need, outcomes).map(|result| literal(&result)),
            None => event.known(workflow, name),
        },
    };
    match &gate.condition {
        None => succeeded(&earlier),
        Some(condition) if asks_status(condition) => holds(condition, &known),
        // A condition that does not ask how others fared holds only if they all fared well.
        Some(condition) => all([succeeded(&earlier), holds(condition, &known)]),
    }
}

fn succeeded(outcomes: &[Outcome]) -> Option<bool> {
    all(outcomes.iter().map(|outcome| (*outcome != Outcome::Open).then_some(*outcome == Outcome::Runs)))
}

fn failed(outcomes: &[Outcome]) -> Option<bool> {
    let failed = outcomes.contains(&Outcome::Fails);
    (failed || !outcomes.contains(&Outcome::Open)).then_some(failed)
}

/// What `needs.<name>.result` is: of a call, what its jobs come to together.
fn result(workflow: &Workflow, gate: &Gate, need: &str, outcomes: &BTreeMap<&str, Outcome>) -> Option<String> {
    let alone = Gate { prefix: gate.prefix.clone(), needs: vec![need.to_owned()], condition: None };
    let asking = Job { gates: vec![alone], ..Job::default() };
    let outcomes: Vec<Outcome> = workflow
        .jobs
        .iter()
        .filter(|job| asking.needs(job))
        .filter_map(|job| outcomes.get(job.id.as_str()))
        .copied()
        .collect();
    let worst = [Outcome::Fails, Outcome::Cancelled, Outcome::Open, Outcome::Runs, Outcome::Skipped]
        .into_iter()
        .find(|outcome| outcomes.contains(outcome));
    worst?.result().map(str::to_owned)
}

/// Whether a step runs after an earlier one of its job has failed or was cancelled; none if the file does not tell.
pub fn runs_after(workflow: &Workflow, event: Event, step: &Step, earlier: Outcome) -> Option<bool> {
    if !step.conditions.iter().any(|condition| asks_status(condition)) {
        return Some(false);
    }
    let known = |name: &str| match name {
        "always()" => Some("true".to_owned()),
        "success()" => Some("false".to_owned()),
        "failure()" => Some((earlier == Outcome::Fails).to_string()),
        "cancelled()" => Some((earlier == Outcome::Cancelled).to_string()),
        _ => event.known(workflow, name),
    };
    all(step.conditions.iter().map(|condition| holds(condition, &known)))
}

/// All jobs that must have ended before another begins, whether it names them or not.
pub fn awaited<'a>(workflow: &'a Workflow, job: &Job) -> Vec<&'a Job> {
    let mut found: Vec<&Job> = workflow.jobs.iter().filter(|other| job.needs(other)).collect();
    let mut next = 0;
    while let Some(job) = found.get(next).copied() {
        let further = workflow.jobs.iter().filter(|other| job.needs(other));
        let new: Vec<&Job> = further.filter(|other| !found.iter().any(|it| it.id == other.id)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn job(id: &str, needs: &[&str], condition: Option<&str>) -> Job {
        let needs = needs.iter().map(ToString::to_string).collect();
        let gate = Gate { prefix: String::new(), needs, condition: condition.map(str::to_owned) };
        Job { id: id.to_owned(), gates: vec![gate], ..Job::default() }
    }

    fn merge(condition: Option<&str>) -> Workflow {
        let jobs =
            vec![job("merge", &["build"], condition), job("prepare", &[], None), job("build", &["prepare"], None)];
        Workflow { jobs, ..Workflow::default() }
    }

    #[rstest]
    #[case(None, Outcome::Skipped)]
    #[case(Some("always()"), Outcome::Runs)]
    #[case(Some("!cancelled()"), Outcome::Runs)]
    #[case(Some("failure()"), Outcome::Runs)]
    #[case(Some("always() && needs.build.result == 'success'"), Outcome::Skipped)]
    #[case(Some("always() && !contains(needs.*.result, 'failure')"), Outcome::Skipped)]
    #[case(Some("needs.prepare.outputs.push == 'true'"), Outcome::Skipped)]
    #[case(Some("always() && needs.build.outputs.digest != ''"), Outcome::Open)]
    #[case(Some("${{ success() }} || true"), Outcome::Runs)]
    fn a_job_after_a_failed_one_runs_only_where_its_condition_says_so(
        #[case] condition: Option<&str>,
        #[case] expected: Outcome,
    ) {
        let failed = Some(("build", Outcome::Fails));
        assert_eq!(outcomes(&merge(condition), Event::MAIN, failed)["merge"], expected);
    }

    #[rstest]
    #[case(None, Outcome::Skipped)]
    #[case(Some("always()"), Outcome::Runs)]
    #[case(Some("!failure()"), Outcome::Runs)]
    #[case(Some("!cancelled()"), Outcome::Skipped)]
    #[case(Some("always() && !contains(needs.*.result, 'cancelled')"), Outcome::Skipped)]
    fn a_job_after_a_cancelled_one_runs_only_where_its_condition_says_so(
        #[case] condition: Option<&str>,
        #[case] expected: Outcome,
    ) {
        let cancelled = Some(("build", Outcome::Cancelled));
        assert_eq!(outcomes(&merge(condition), Event::MAIN, cancelled)["merge"], expected);
    }

    #[rstest]
    #[case(None, Outcome::Runs)]
    #[case(Some("startsWith(github.ref, 'refs/tags/')"), Outcome::Skipped)]
    #[case(Some("github.ref_name == 'main'"), Outcome::Runs)]
    #[case(Some("needs.prepare.outputs.push == 'true'"), Outcome::Open)]
    fn a_job_is_skipped_where_its_condition_rules_the_event_out(
        #[case] condition: Option<&str>,
        #[case] expected: Outcome,
    ) {
        assert_eq!(outcomes(&merge(condition), Event::MAIN, None)["merge"], expected);
    }

    #[test]
    fn a_circle_is_no_end() {
        let jobs = vec![job("a", &["b"], None), job("b", &["a"], None)];
        assert_eq!(outcomes(&Workflow { jobs, ..Workflow::default() }, Event::MAIN, None)["a"], Outcome::Open);
    }
}
