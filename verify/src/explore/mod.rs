//! The explorer: runs a pipeline through thousands of schedules, and judges what is published after each.
//!
//! A schedule is a fault at one request of a run (killed before or after it, its answer lost, refused once or from then on,
//! hanging), or an order for the writes of two concurrent runs. The requests are those that were recorded of runs without
//! faults. Everything slow is done once: the subject's own stages build each image, and the registries are put back before
//! each schedule. So a schedule costs no more than the `merge` of its runs.
//!
//! Data flows from recorded requests to schedules, executions, judgements and the report. What always holds:
//! - The same seed gives the same schedules, and a schedule's name says all of it.
//! - A fault that met no request proves nothing: it is counted apart.
//! - Where the harness fails, nothing is said about the pipeline.

mod environment;
mod execution;
mod gate;
mod judge;
mod order;
mod report;
mod request;
mod schedule;
mod snapshot;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum as _;
use tokio::sync::mpsc;

use crate::harness::{HarnessError, podman::PodmanHost, subject::Subject};

use environment::{Environment, Start};
use execution::{execute, record};
use gate::Trace;
use order::{Writes, orders};
use schedule::{Build, Race, Schedule, Workload, faults};

pub use judge::{Invariant, Violation};
pub use report::{ExploreReport, FailedSchedule, json, text};

/// What is explored, and how far.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pipeline.
    pub subject: Subject,
    /// Variables for it besides those of the contract.
    pub environment: BTreeMap<String, String>,
    /// The folder that the base images are made from.
    pub image: PathBuf,
    /// The seed that schedules are drawn with.
    pub seed: u64,
    /// How many schedules there are at most.
    pub schedules_max: usize,
    /// When no further schedule is begun.
    pub time_max: Option<Duration>,
    /// Only schedules whose names contain one of these; all if there is none.
    pub only: Vec<String>,
    /// How many schedules are executed at once.
    pub jobs: usize,
}

/// How far the explorer is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Schedules that were executed.
    pub played: usize,
    /// All schedules.
    pub schedules: usize,
    /// Runs of the pipeline.
    pub runs: usize,
    /// Schedules that violated an invariant.
    pub violations: usize,
}

/// The share of races among all schedules: the number of faults is known, that of orders is not.
const RACES_SHARE: (usize, usize) = (1, 2);

/// What was recorded of runs without faults.
struct Recorded {
    faults: Vec<Schedule>,
    writes: BTreeMap<Race, [Writes; 2]>,
}

/// Prepares, records, executes all schedules and reports. `log` gets lines about the preparation, `progress` is called after
/// each schedule.
///
/// # Errors
/// A harness that cannot begin, and a pipeline that fails without any fault.
pub async fn explore(
    options: Options,
    log: impl Fn(&str),
    progress: impl Fn(Progress),
) -> Result<ExploreReport, HarnessError> {
    let begin = Instant::now();
    PodmanHost::provide_bases(&options.image).await?;
    let options = Arc::new(options);
    log("building every image once");
    let environments = (0..options.jobs).map(|_| Environment::prepare(Arc::clone(&options)));
    let environments = futures::future::try_join_all(environments).await?;
    log("recording runs without faults");
    // In each environment, because a digest has a role only where it was seen.
    let recorded = futures::future::try_join_all(environments.iter().map(record_all)).await?;
    let Some(recorded) = recorded.into_iter().next() else {
        return Err(HarnessError::other("cannot explore")("no schedule may be executed at once"));
    };
    let schedules = schedules(&recorded, &options);
    log(&format!("{} schedules, seed {}", schedules.len(), options.seed));
    let mut report = ExploreReport {
        subject: options.subject.name.clone(),
        seed: options.seed,
        schedules: schedules.len(),
        fault_schedules_known: recorded.faults.len(),
        prepared_ms: millis(begin),
        ..ExploreReport::default()
    };
    let plan = Plan { schedules, writes: recorded.writes, next: AtomicUsize::new(0) };
    execute_all(environments, plan, options.time_max, &mut report, progress).await;
    report.took_ms = millis(begin);
    Ok(report)
}

/// Records the requests and writes of all runs.
async fn record_all(environment: &Environment) -> Result<Recorded, HarnessError> {
    let mut schedules = Vec::new();
    let mut traces: BTreeMap<Build, Vec<Trace>> = BTreeMap::new();
    for workload in Workload::value_variants() {
        let build = workload.build();
        let start = if *workload == Workload::First { Start::Empty } else { Start::Published };
        let recorded = record(environment, build, start).await?;
        let requests: BTreeSet<_> = recorded.iter().flat_map(|it| it.requests[build.run()].iter().cloned()).collect();
        schedules.extend(faults(*workload, &requests));
        if start == Start::Published {
            traces.insert(build, recorded);
        }
    }
    for build in [Build::Older, Build::Twin] {
        traces.insert(build, record(environment, build, Start::Published).await?);
    }
    let writes = |build: Build| {
        let recordings: Vec<_> = traces[&build].iter().map(|trace| trace.writes[build.run()].clone()).collect();
        Writes::of(&recordings)
    };
    let writes = Race::value_variants().iter().map(|race| (*race, race.builds().map(writes))).collect();
    Ok(Recorded { faults: schedules, writes })
}

/// The schedules in the order in which they are executed: shuffled, so that any part of them is a sample of all.
fn schedules(recorded: &Recorded, options: &Options) -> Vec<Schedule> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let max = options.schedules_max;
    let mut all = recorded.faults.clone();
    random.shuffle(&mut all);
    let races_min = max * RACES_SHARE.0 / RACES_SHARE.1;
    if options.only.is_empty() {
        all.truncate(max - races_min);
    }
    let each = max.saturating_sub(all.len()).max(races_min) / recorded.writes.len();
    for (race, writes) in &recorded.writes {
        all.extend(orders(*race, writes, each, &mut random));
    }
    random.shuffle(&mut all);
    if options.only.is_empty() {
        return all;
    }
    all.retain(|schedule| {
        let name = schedule.to_string();
        options.only.iter().any(|only| name.contains(only.as_str()))
    });
    // An order that is named in full need not have been drawn.
    for named in options.only.iter().filter_map(|only| Schedule::parse_race(only)) {
        if !all.contains(&named) {
            all.push(named);
        }
    }
    all.truncate(max);
    all
}

/// The schedules, and the next one that no environment has taken.
struct Plan {
    schedules: Vec<Schedule>,
    writes: BTreeMap<Race, [Writes; 2]>,
    next: AtomicUsize,
}

/// Executes schedules in all environments at once, in their order, until there are no more or time is up.
async fn execute_all(
    environments: Vec<Environment>,
    plan: Plan,
    time_max: Option<Duration>,
    report: &mut ExploreReport,
    progress: impl Fn(Progress),
) {
    let plan = Arc::new(plan);
    let until = time_max.map(|max| Instant::now() + max);
    let (sender, mut results) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for environment in environments {
        let (plan, sender) = (Arc::clone(&plan), sender.clone());
        tasks.push(tokio::spawn(async move {
            let no_writes = <[Writes; 2]>::default();
            while until.is_none_or(|until| Instant::now() < until) {
                let number = plan.next.fetch_add(1, Ordering::Relaxed);
                let Some(schedule) = plan.schedules.get(number) else { break };
                let writes = match schedule {
                    Schedule::Race { race, .. } => &plan.writes[race],
                    Schedule::Fault { .. } => &no_writes,
                };
                let result = execute(&environment, schedule, writes).await;
                // The receiver outlives the tasks.
                let _ = sender.send((number, result));
            }
            environment.remove().await
        }));
    }
    drop(sender);
    while let Some((number, result)) = results.recv().await {
        report.add(number, &plan.schedules[number], result);
        progress(Progress {
            played: report.played,
            schedules: plan.schedules.len(),
            runs: report.runs,
            violations: report.violations.len(),
        });
    }
    report.violations.sort_by_key(|failed| failed.number);
    for task in tasks {
        match task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report.trouble.push(error.with_causes()),
            Err(error) => report.trouble.push(format!("an environment failed: {error}")),
        }
    }
}

fn millis(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}
