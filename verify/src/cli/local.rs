//! `verify local`

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path, pin::pin, sync::Arc};

use futures::{StreamExt as _, stream};

use super::{
    arguments::{LocalArguments, Output},
    exit, printing,
};
use crate::{
    check::Check,
    checks::all,
    evidence::{Evidence, SLOW_MACHINE},
    harness::{HarnessError, subject::Subject},
    report::{Outcome, Report, Timeline},
    scenario::Scenario,
    target::{Local, LocalOptions, judge, scenarios},
    verdict::Verdict,
};

/// Takes the evidence that the chosen checks need, judges it, and prints the report.
pub(super) async fn run(arguments: &LocalArguments) -> Result<u8, HarnessError> {
    let Some(mut checks) = chosen_or_error(&arguments.only) else { return Ok(exit::USAGE) };
    checks.retain(|check| {
        arguments.scenario.is_empty() || check.scenario.is_some_and(|it| arguments.scenario.contains(&it))
    });
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let subject = Subject::new(&arguments.subject).map_err(HarnessError::io("cannot run the pipeline"))?;
    printing::progress(&format!("{} checks, seed {seed}", checks.len()));
    let environment = arguments.env.iter().cloned().collect();
    let options =
        LocalOptions { subject, environment, backend: arguments.registry, image: arguments.image.clone(), seed };
    let local = Arc::new(Local::new(options));
    if let Some(folder) = &arguments.keep {
        fs::create_dir_all(folder).map_err(HarnessError::at("make", folder))?;
    }
    let take = |scenario: Scenario| {
        let local = Arc::clone(&local);
        async move { (scenario, local.take(scenario).await) }
    };
    // What the other scenarios left no processor for is taken once more, one after the other, with the machine for itself.
    let slow = RefCell::new(Vec::new());
    let together = stream::iter(scenarios(&checks)).map(take).buffer_unordered(arguments.jobs.into());
    let alone = stream::once(async { slow.take() }).flat_map(stream::iter).then(take);
    let mut taken = pin!(together.map(|it| (it, false)).chain(alone.map(|it| (it, true))));
    let (mut outcomes, mut timelines) = (BTreeMap::new(), BTreeMap::new());
    while let Some(((scenario, evidence), again)) = taken.next().await {
        if let Some(folder) = &arguments.keep {
            keep(folder, scenario, &evidence)?;
        }
        let judged = judged(&checks, scenario, &evidence, arguments);
        if !again && arguments.jobs > 1 && judged.iter().any(|(_, outcome)| was_too_slow(&outcome.verdict)) {
            printing::progress(&format!("{}: {SLOW_MACHINE}; it is run again alone", scenario.name()));
            slow.borrow_mut().push(scenario);
            continue;
        }
        let wrong = judged.iter().filter(|(_, outcome)| !outcome.verdict.is_green()).count();
        printing::progress(&format!("{}: {} of {} passed", scenario.name(), judged.len() - wrong, judged.len()));
        if let Some(it) = evidence.unknown_request() {
            let name = scenario.name();
            printing::progress(&format!("{name}: a request of no known kind: {} {} {}", it.server, it.method, it.path));
        }
        if wrong > 0 {
            timelines.extend(Timeline::of(&scenario.name(), &evidence).map(|timeline| (scenario, timeline)));
        }
        outcomes.extend(judged);
    }
    // In the catalogue's order, whichever scenario came first.
    let outcomes = checks.iter().filter_map(|check| outcomes.remove(&check.id()).or_else(|| not_run(check))).collect();
    let timelines = timelines.into_values().collect();
    let subject = arguments.subject.display().to_string();
    let report = Report { target: "local".into(), subject, outcomes, timelines, ..Report::default() };
    printing::report(&report, arguments.output)?;
    if arguments.output == Output::Text && !report.is_green() {
        printing::progress(&format!("seed {seed}"));
    }
    Ok(code(&report))
}

fn was_too_slow(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unknown { cause } if cause.starts_with(SLOW_MACHINE))
}

/// What no run shows.
fn not_run(check: &Check) -> Option<Outcome> {
    let need = check.needs.first().filter(|_| check.scenario.is_none())?;
    Some(Outcome::of(check, Verdict::NotRun { reason: need.name().to_owned() }, None, String::new()))
}

fn keep(folder: &Path, scenario: Scenario, evidence: &Evidence) -> Result<(), HarnessError> {
    let path = folder.join(format!("{}.json", scenario.name()));
    let bytes = serde_json::to_vec_pretty(evidence).map_err(HarnessError::other("cannot write evidence"))?;
    fs::write(&path, bytes).map_err(HarnessError::at("write", &path))
}

/// The exit code that a report means.
pub(super) fn code(report: &Report) -> u8 {
    if report.is_green() {
        exit::VERIFIED
    } else if report.count("FAIL") > 0 {
        exit::FAILED
    } else {
        exit::UNKNOWN
    }
}

fn judged(
    checks: &[&'static Check],
    scenario: Scenario,
    evidence: &Evidence,
    arguments: &LocalArguments,
) -> Vec<(String, Outcome)> {
    let outcome = |(check, verdict): (&Check, _)| {
        let rerun = format!("verify local --subject {} --only {}", arguments.subject.display(), check.id());
        (check.id(), Outcome::of(check, verdict, Some(evidence), rerun))
    };
    judge(checks, scenario, evidence).into_iter().map(outcome).collect()
}

/// The checks that are meant. None after an error was printed.
pub(super) fn chosen_or_error(only: &[String]) -> Option<Vec<&'static Check>> {
    let checks = chosen(only);
    if checks.is_empty() {
        printing::progress(&format!("error: no check's name contains {}\nhint: verify list", only.join(" or ")));
        return None;
    }
    Some(checks)
}

/// The checks whose names contain one of the texts, all if there is none.
fn chosen(only: &[String]) -> Vec<&'static Check> {
    let meant = |check: &&Check| {
        let id = check.id();
        only.is_empty()
            || only.iter().any(|text| {
                let text = text.to_lowercase();
                id.contains(&text) || id.contains(&text.replace(['-', ' '], "_")) || check.words().contains(&text)
            })
    };
    all().into_iter().filter(meant).collect()
}
