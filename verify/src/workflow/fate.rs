//! What becomes of each job in a run: whether it runs, is skipped, or nobody can tell from the file alone.

use std::collections::BTreeMap;

use super::{
    Event, Gate, Job, Workflow,
    expression::{asks_status, holds, literal},
};

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs, and is assumed to succeed.
    Runs,
    /// It runs and fails.
    Fails,
    /// It is skipped.
    Skipped,
    /// It depends on what is known only when it runs.
    Open,
}

impl Fate {
    /// As expressions see it.
    const fn result(self) -> Option<&'static str> {
        match self {
            Self::Runs => Some("success"),
            Self::Fails => Some("failure"),
            Self::Skipped => Some("skipped"),
            Self::Open => None,
        }
    }
}

/// What becomes of all jobs, by their names, when an event starts a workflow and one of them fails, if one is named.
pub fn fates<'a>(workflow: &'a Workflow, event: Event, failing: Option<&str>) -> BTreeMap<&'a str, Fate> {
    let mut fates: BTreeMap<&str, Fate> = BTreeMap::new();
    loop {
        let ready = workflow.jobs.iter().find(|job| {
            let mut needed = workflow.jobs.iter().filter(|other| job.needs(other));
            !fates.contains_key(job.id.as_str()) && needed.all(|other| fates.contains_key(other.id.as_str()))
        });
        let Some(job) = ready else { break };
        let fate = match fate(workflow, job, event, &fates) {
            Fate::Skipped => Fate::Skipped,
            _ if failing == Some(job.id.as_str()) => Fate::Fails,
            fate => fate,
        };
        fates.insert(&job.id, fate);
    }
    // Jobs that need each other in a circle: GitHub refuses such a file.
    for job in &workflow.jobs {
        fates.entry(&job.id).or_insert(Fate::Open);
    }
    fates
}

fn fate(workflow: &Workflow, job: &Job, event: Event, fates: &BTreeMap<&str, Fate>) -> Fate {
    let passed: Vec<Option<bool>> = job.gates.iter().map(|gate| passes(workflow, gate, event, fates)).collect();
    if passed.contains(&Some(false)) {
        Fate::Skipped
    } else if passed.contains(&None) {
        Fate::Open
    } else {
        Fate::Runs
    }
}

fn passes(workflow: &Workflow, gate: &Gate, event: Event, fates: &BTreeMap<&str, Fate>) -> Option<bool> {
    let ancestors = awaited(workflow, &Job { gates: vec![gate.clone()], ..Job::default() });
    let fate = |job: &&Job| fates.get(job.id.as_str()).copied().unwrap_or(Fate::Open);
    let all: Vec<Fate> = ancestors.iter().map(fate).collect();
    let known = |name: &str| match name {
        "always()" => Some("true".to_owned()),
        // Nobody cancels the runs that are thought of here.
        "cancelled()" => Some("false".to_owned()),
        "success()" => succeeded(&all).map(|truth| truth.to_string()),
        "failure()" => failed(&all).map(|truth| truth.to_string()),
        "needs.*.result" => {
            let results: Option<Vec<String>> =
                gate.needs.iter().map(|need| result(workflow, gate, need, fates)).collect();
            Some(format!("fromJSON({})", literal(&serde_json::json!(results?).to_string())))
        }
        _ => match name.strip_prefix("needs.").and_then(|name| name.strip_suffix(".result")) {
            Some(need) => result(workflow, gate, need, fates).map(|result| literal(&result)),
            None => event.known(workflow, name),
        },
    };
    match &gate.condition {
        None => succeeded(&all),
        Some(condition) if asks_status(condition) => holds(condition, &known),
        // A condition that does not ask how others fared holds only if they all fared well.
        Some(condition) => match (succeeded(&all), holds(condition, &known)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
    }
}

fn succeeded(fates: &[Fate]) -> Option<bool> {
    if fates.iter().any(|fate| matches!(fate, Fate::Fails | Fate::Skipped)) {
        Some(false)
    } else if fates.contains(&Fate::Open) {
        None
    } else {
        Some(true)
    }
}

fn failed(fates: &[Fate]) -> Option<bool> {
    if fates.contains(&Fate::Fails) {
        Some(true)
    } else if fates.contains(&Fate::Open) {
        None
    } else {
        Some(false)
    }
}

/// What `needs.<name>.result` is: of a call, what its jobs come to together.
fn result(workflow: &Workflow, gate: &Gate, need: &str, fates: &BTreeMap<&str, Fate>) -> Option<String> {
    let alone = Gate { prefix: gate.prefix.clone(), needs: vec![need.to_owned()], condition: None };
    let asking = Job { gates: vec![alone], ..Job::default() };
    let fates: Vec<Fate> = workflow
        .jobs
        .iter()
        .filter(|job| asking.needs(job))
        .filter_map(|job| fates.get(job.id.as_str()))
        .copied()
        .collect();
    let worst = [Fate::Fails, Fate::Open, Fate::Runs, Fate::Skipped].into_iter().find(|fate| fates.contains(fate));
    worst?.result().map(str::to_owned)
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
    #[case(None, Fate::Skipped)]
    #[case(Some("always()"), Fate::Runs)]
    #[case(Some("!cancelled()"), Fate::Runs)]
    #[case(Some("failure()"), Fate::Runs)]
    #[case(Some("always() && needs.build.result == 'success'"), Fate::Skipped)]
    #[case(Some("always() && !contains(needs.*.result, 'failure')"), Fate::Skipped)]
    #[case(Some("needs.prepare.outputs.push == 'true'"), Fate::Skipped)]
    #[case(Some("always() && needs.build.outputs.digest != ''"), Fate::Open)]
    #[case(Some("${{ success() }} || true"), Fate::Runs)]
    fn a_job_after_a_failed_one_runs_only_where_its_condition_says_so(
        #[case] condition: Option<&str>,
        #[case] expected: Fate,
    ) {
        assert_eq!(fates(&merge(condition), Event::MAIN, Some("build"))["merge"], expected);
    }

    #[rstest]
    #[case(None, Fate::Runs)]
    #[case(Some("startsWith(github.ref, 'refs/tags/')"), Fate::Skipped)]
    #[case(Some("github.ref_name == 'main'"), Fate::Runs)]
    #[case(Some("needs.prepare.outputs.push == 'true'"), Fate::Open)]
    fn a_job_is_skipped_where_its_condition_rules_the_event_out(
        #[case] condition: Option<&str>,
        #[case] expected: Fate,
    ) {
        assert_eq!(fates(&merge(condition), Event::MAIN, None)["merge"], expected);
    }

    #[test]
    fn a_circle_is_no_end() {
        let jobs = vec![job("a", &["b"], None), job("b", &["a"], None)];
        assert_eq!(fates(&Workflow { jobs, ..Workflow::default() }, Event::MAIN, None)["a"], Fate::Open);
    }
}
