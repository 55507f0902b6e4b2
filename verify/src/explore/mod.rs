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
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use clap::ValueEnum as _;

use crate::harness::{HarnessError, podman::PodmanHost};

use environment::{Environment, Start};
use execution::{execute, record};
use gate::Trace;
use order::{Writes, orders};
use schedule::{Build, Race, Schedule, Workload, faults};

pub use environment::Options;
pub use judge::{Invariant, Violation};
pub use report::{ExploreReport, FailedSchedule, Progress, json, text};

/// The share of races among all schedules: the number of faults is known, that of orders is not.
const RACES_SHARE: (usize, usize) = (1, 2);

/// What was recorded of runs without faults.
struct Recorded {
    faults: Vec<Schedule>,
    /// The writes of the runs of each race.
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
    let report = RefCell::new(ExploreReport {
        subject: options.subject.name.clone(),
        seed: options.seed,
        schedules: schedules.len(),
        fault_schedules_known: recorded.faults.len(),
        prepared_ms: millis(begin),
        ..ExploreReport::default()
    });
    let queue = RefCell::new(schedules.iter().enumerate());
    let until = options.time_max.map(|max| Instant::now() + max);
    let workers = environments.iter().map(|environment| {
        let (queue, report, progress, recorded) = (&queue, &report, &progress, &recorded);
        async move {
            while until.is_none_or(|until| Instant::now() < until) {
                let Some((number, schedule)) = queue.borrow_mut().next() else { break };
                let result = execute(environment, schedule, &recorded.writes).await;
                let mut report = report.borrow_mut();
                report.add(number, schedule, result);
                progress(report.progress());
            }
        }
    });
    futures::future::join_all(workers).await;
    let mut report = report.into_inner();
    report.violations.sort_by_key(|failed| failed.number);
    report.took_ms = millis(begin);
    for environment in environments {
        if let Err(error) = environment.remove().await {
            report.trouble.push(error.with_causes());
        }
    }
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

fn millis(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}
