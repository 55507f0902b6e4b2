//! The explorer: makes a pipeline go through thousands of schedules, and looks at what is published after each.
//!
//! A schedule is a fault at one request of a run (killed before it or after it, its answer lost, refused once or from then on,
//! hanging), or an order of the writes of two runs at once. The requests are those that runs without faults were seen to
//! send. Everything slow is done once: the subject's own stages build each image, and what the registries hold then is put back
//! before each schedule. So a schedule costs no more than the `merge` of its runs.
//!
//! What always holds:
//! - The same seed gives the same schedules, and a schedule's name says all of it.
//! - A fault that met no request proves nothing: it is counted apart.
//! - Where the harness fails, nothing is said of the pipeline.

mod desk;
mod judge;
mod lane;
mod names;
mod play;
mod report;
mod request;
mod schedule;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::harness::{HarnessError, podman::PodmanHost, subject::Subject};

use lane::{Lane, Start};
use play::{Played, Recording};

pub use judge::{Broken, Rule};
pub use report::{Explored, Violation, json, text};
pub use request::Request;
pub use schedule::{Build, Fault, First, Race, Schedule, Seen, Story, Turn, Writes, faults, orders};

/// What is explored, and how far.
#[derive(Debug, Clone)]
pub struct Options {
    /// The pipeline.
    pub subject: Subject,
    /// Variables that it gets besides those of the contract.
    pub environment: BTreeMap<String, String>,
    /// The folder that the base images are made from.
    pub image: std::path::PathBuf,
    /// From what schedules are drawn.
    pub seed: u64,
    /// How many schedules there are at most.
    pub schedules_max: usize,
    /// When no further schedule is begun.
    pub time_max: Option<Duration>,
    /// Only schedules whose names contain one of these; all if there is none.
    pub only: Vec<String>,
    /// How many schedules are played at once.
    pub lanes: usize,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Schedules that were played.
    pub played: usize,
    /// Schedules that there are.
    pub schedules: usize,
    /// Runs of the pipeline.
    pub runs: usize,
    /// Schedules that broke a promise.
    pub violations: usize,
}

/// Of all schedules that are drawn, so many are races: faults are known in number, orders are not.
const RACES_SHARE: (usize, usize) = (1, 2);

/// What was recorded of the pipeline's runs.
struct Recorded {
    faults: Vec<Schedule>,
    writes: BTreeMap<Race, [Writes; 2]>,
}

/// Prepares, records, plays all schedules and tells what came of it. `tell` hears of preparation, `progress` of each schedule.
///
/// # Errors
/// A harness that cannot begin, and a pipeline that fails although nothing is done to it: nothing can be told then.
pub async fn explore(
    options: Options,
    tell: impl Fn(&str),
    progress: impl Fn(Progress),
) -> Result<Explored, HarnessError> {
    let begin = Instant::now();
    PodmanHost::provide_bases(&options.image).await?;
    let options = Arc::new(options);
    tell("building every image once");
    let lanes = (0..options.lanes).map(|_| Lane::prepare(Arc::clone(&options)));
    let lanes = futures::future::try_join_all(lanes).await?;
    tell("recording runs without faults");
    let recorded = futures::future::try_join_all(lanes.iter().map(record)).await?;
    let Some(recorded) = recorded.into_iter().next() else {
        return Err(HarnessError::other("cannot explore")("there is nothing to explore in"));
    };
    let known = recorded.faults.len();
    let schedules = Arc::new(schedules(&recorded, &options));
    let prepared = begin.elapsed();
    tell(&format!("{} schedules, seed {}", schedules.len(), options.seed));
    let mut explored = Explored {
        subject: options.subject.name.clone(),
        seed: options.seed,
        schedules: schedules.len(),
        fault_schedules_known: known,
        prepared_ms: millis(prepared),
        ..Explored::default()
    };
    let lanes = play_all(lanes, &recorded, &schedules, &options, &mut explored, progress).await;
    explored.took_ms = millis(begin.elapsed());
    for lane in lanes {
        if let Err(error) = lane.remove().await {
            explored.trouble.push(error.with_causes());
        }
    }
    Ok(explored)
}

/// Plays schedules in all lanes at once, in their order, until there are no more or time is up. Returns the lanes.
async fn play_all(
    lanes: Vec<Lane>,
    recorded: &Recorded,
    schedules: &Arc<Vec<Schedule>>,
    options: &Options,
    explored: &mut Explored,
    progress: impl Fn(Progress),
) -> Vec<Lane> {
    let writes = Arc::new(recorded.writes.clone());
    let next = Arc::new(AtomicUsize::new(0));
    let until = options.time_max.map(|max| Instant::now() + max);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for lane in lanes {
        let (schedules, writes, next, sender) =
            (Arc::clone(schedules), Arc::clone(&writes), Arc::clone(&next), sender.clone());
        tasks.push(tokio::spawn(async move {
            while until.is_none_or(|until| Instant::now() < until) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(schedule) = schedules.get(number) else { break };
                let none = <[Writes; 2]>::default();
                let writes = match schedule {
                    Schedule::Race { race, .. } => writes.get(race).unwrap_or(&none),
                    Schedule::Fault { .. } => &none,
                };
                let played = lane.play(schedule, writes).await;
                if sender.send((number, played)).is_err() {
                    break;
                }
            }
            lane
        }));
    }
    drop(sender);
    while let Some((number, played)) = receiver.recv().await {
        explored.add(number, &schedules[number], played);
        progress(Progress {
            played: explored.played,
            schedules: schedules.len(),
            runs: explored.runs,
            violations: explored.violations.len(),
        });
    }
    explored.violations.sort_by_key(|violation| violation.number);
    let mut left = Vec::new();
    for task in tasks {
        match task.await {
            Ok(lane) => left.push(lane),
            Err(error) => explored.trouble.push(format!("a lane failed: {error}")),
        }
    }
    left
}

/// Records what each run sends when nothing is done to it.
async fn record(lane: &Lane) -> Result<Recorded, HarnessError> {
    let mut faults = Vec::new();
    let mut recordings: BTreeMap<Build, Recording> = BTreeMap::new();
    for story in Story::ALL {
        let start = if story == Story::First { Start::Empty } else { Start::Live };
        let recording = lane.record(story.build(), start).await?;
        let run = lane::front_of(story.build());
        let requests: BTreeSet<Request> =
            recording.noted.iter().flat_map(|noted| noted.requests[run].iter().cloned()).collect();
        faults.extend(schedule::faults(story, &requests));
        if start == Start::Live {
            recordings.insert(story.build(), recording);
        }
    }
    for build in [Build::Older, Build::Twin] {
        recordings.insert(build, lane.record(build, Start::Live).await?);
    }
    let writes = |build: Build| {
        let run = lane::front_of(build);
        let recordings = recordings.get(&build).map(|it| it.noted.as_slice()).unwrap_or_default();
        Writes::of(&recordings.iter().map(|noted| noted.writes[run].clone()).collect::<Vec<_>>())
    };
    let writes = Race::ALL.map(|race| (race, race.builds().map(writes)));
    Ok(Recorded { faults, writes: writes.into() })
}

/// The schedules that are played, in the order in which they are: shuffled, so that any part of them is a sample of all.
fn schedules(recorded: &Recorded, options: &Options) -> Vec<Schedule> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let max = options.schedules_max;
    let mut faults = recorded.faults.clone();
    random.shuffle(&mut faults);
    let races_min = max * RACES_SHARE.0 / RACES_SHARE.1;
    if options.only.is_empty() {
        faults.truncate(max - races_min);
    }
    let each = max.saturating_sub(faults.len()).max(races_min) / Race::ALL.len();
    let races = Race::ALL.into_iter().filter_map(|race| Some((race, recorded.writes.get(&race)?)));
    let mut all: Vec<Schedule> =
        races.flat_map(|(race, runs)| orders(race, runs, each, &mut random)).chain(faults).collect();
    random.shuffle(&mut all);
    if options.only.is_empty() {
        return all;
    }
    all.retain(|schedule| {
        let name = schedule.to_string();
        options.only.iter().any(|only| name.contains(only.as_str()))
    });
    // An order that is named in full need not have been drawn.
    for only in &options.only {
        if let Some(named) = schedule::order_of(only)
            && !all.contains(&named)
        {
            all.push(named);
        }
    }
    all.truncate(max);
    all
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Explored {
    fn add(&mut self, number: usize, schedule: &Schedule, played: Result<Played, HarnessError>) {
        let played = match played {
            Ok(played) => played,
            Err(error) => {
                self.trouble.push(format!("{schedule}: {}", error.with_causes()));
                return;
            }
        };
        self.played += 1;
        self.runs += played.runs;
        self.worked_ms += played.worked_ms;
        self.trouble.extend(played.trouble.iter().map(|trouble| format!("{schedule}: {trouble}")));
        if played.stuck {
            self.stuck.push(schedule.to_string());
        }
        if !played.reached {
            self.not_reached.push(schedule.to_string());
        }
        if !played.broken.is_empty() {
            if self.violations.is_empty() {
                self.runs_until_first = Some(self.runs);
            }
            self.violations.push(Violation::new(number, schedule, played));
        }
    }
}
