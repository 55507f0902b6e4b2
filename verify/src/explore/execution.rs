//! Runs a schedule: one or two runs, whose writes are released one at a time.
//!
//! The next write is released when every run *rests*: it has ended, or all its requests are answered or held and none of its
//! threads has had a processor for some milliseconds. So a schedule goes the same way each time. A run that rests although
//! nothing of it is held waits for a time of its own; it is waited for, for a while, if the next step is its.

use std::{collections::VecDeque, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    environment::{Environment, Start, require_success},
    gate::{Mode, Pending, Trace},
    judge::{LATEST, Observed, Violation, judge},
    order::Writes,
    request::Request,
    schedule::{Build, Direction, Race, Schedule, Step, Workload},
};
use crate::{
    evidence::{Exit, StageRun},
    harness::{HarnessError, rest::at_rest, subject::Running},
};

/// How long a run whose step is next may rest without a write before the step is skipped.
const STEP_MAX: Duration = Duration::from_secs(1);
/// How long nothing may happen before it is checked whether the runs rest. It doubles with each check that finds them at
/// work, so that checking costs little however slow the machine is.
const QUIET_MIN: Duration = Duration::from_millis(4);
/// The longest such time. Requests and ends of runs interrupt it.
const QUIET_MAX: Duration = Duration::from_millis(64);
/// How long nothing may be sent, answered or held before the runs are ended: they wait for something that never comes.
const STUCK_MAX: Duration = Duration::from_secs(90);
/// How long requests may still be under way when their runs have ended.
const LATE_MAX: Duration = Duration::from_secs(10);
/// How much of what a run printed is kept, in characters.
const PRINTED_CHARS_MAX: usize = 2_000;

/// The result of a schedule.
#[derive(Debug, Clone, Default)]
pub(super) struct Execution {
    pub(super) violations: Vec<Violation>,
    /// Whether its fault met a request.
    pub(super) reached: bool,
    /// Whether its runs had to be ended.
    pub(super) stuck: bool,
    /// How the runs ended.
    pub(super) exits: Vec<(Build, Exit)>,
    /// All writes in their order.
    pub(super) order: Vec<(usize, Request)>,
    /// What the runs printed.
    pub(super) printed: Vec<String>,
    /// How many runs there were, and how long processors worked for them.
    pub(super) runs: usize,
    pub(super) worked_ms: u64,
    /// Where the harness failed.
    pub(super) trouble: Vec<String>,
}

/// Merges a build without faults and records its requests, in both orders of the writes that it sends at once.
pub(super) async fn record(environment: &Environment, build: Build, start: Start) -> Result<Vec<Trace>, HarnessError> {
    // The list has a role only after it was made once.
    environment.restore(start).await?;
    environment.gate.begin(Mode::Pass, None, &Running::default());
    require_success(&environment.merge(build, 1).await?, build)?;
    environment.learn_lists();
    let mut traces = Vec::new();
    for direction in Direction::ALL {
        environment.restore(start).await?;
        environment.gate.begin(Mode::Ordered, None, &Running::default());
        let (runs, stuck) = Scheduler::new(environment, &[build], Order::Single(direction)).run().await?;
        for (build, run) in runs {
            require_success(&run, build)?;
        }
        let trace = environment.gate.trace();
        if stuck || trace.unknown {
            let why = if stuck { "it did not end" } else { "it sent a request of no known kind" };
            return Err(HarnessError::other(format!("cannot record a run of {}", build.name()))(why));
        }
        traces.push(trace);
    }
    Ok(traces)
}

/// Runs a schedule, then one run without faults, and judges both.
pub(super) async fn execute(
    environment: &Environment,
    schedule: &Schedule,
    writes: &[Writes; 2],
) -> Result<Execution, HarnessError> {
    let start = match schedule {
        Schedule::Fault { workload: Workload::First, .. } => Start::Empty,
        _ => Start::Published,
    };
    environment.restore(start).await?;
    let mut observed = Observed { before: environment.snapshots(), ..Observed::default() };
    let gate = &environment.gate;
    let (builds, order) = match schedule {
        Schedule::Fault { workload, fault, at, direction } => {
            let build = workload.build();
            gate.begin(Mode::Ordered, Some((*fault, at.clone())), &environment.frontends[build.run()].running);
            (vec![build], Order::Single(*direction))
        }
        Schedule::Race { race, order } => {
            gate.begin(Mode::Ordered, None, &Running::default());
            let recorded = writes.each_ref().map(|writes| writes.requests.clone());
            (race.builds().to_vec(), Order::Race { steps: order.iter().copied().collect(), recorded })
        }
    };
    let (runs, stuck) = Scheduler::new(environment, &builds, order).run().await?;
    let trace = gate.trace();
    observed.meanwhile = environment.snapshots_meanwhile();
    observed.after = environment.snapshots();
    observed.exits = runs.iter().map(|(build, run)| (*build, run.end)).collect();
    let repeated = repeated_build(schedule, &observed);
    gate.begin(Mode::Pass, None, &Running::default());
    let repetition = environment.merge(repeated, 2).await?;
    observed.repeated = Some((repeated, repetition.end));
    observed.after_repetition = environment.snapshots();
    let mut trouble = environment.trouble();
    if trace.unknown || gate.trace().unknown {
        trouble.push("a request of no known kind came".to_owned());
    }
    let reached = trace.fired || matches!(schedule, Schedule::Race { .. });
    // A fault that did not happen proves nothing, and breaks nothing.
    let conclusive = reached && !stuck && trouble.is_empty();
    let violations = if conclusive { judge(schedule, &observed) } else { Vec::new() };
    let all: Vec<&StageRun> = runs.iter().map(|(_, run)| run).chain([&repetition]).collect();
    Ok(Execution {
        violations,
        reached,
        stuck,
        runs: all.len(),
        worked_ms: all.iter().map(|run| run.worked_ms).sum(),
        printed: all.iter().map(|run| tail(&run.printed())).collect(),
        exits: observed.exits,
        order: trace.order,
        trouble,
    })
}

/// The build that is merged once more. Of two runs of the newest commit it is the one that is published: the images of the
/// other one may have been removed, rightly.
fn repeated_build(schedule: &Schedule, observed: &Observed) -> Build {
    let shows_twin = || {
        let mut latest = observed.after.iter().map(|state| state.tags.get(LATEST));
        latest.all(|tag| tag.is_some_and(|tag| tag.builds.contains(&Build::Twin)))
    };
    match schedule {
        Schedule::Fault { workload, .. } => workload.build(),
        Schedule::Race { race: Race::Twins, .. } if shows_twin() => Build::Twin,
        Schedule::Race { .. } => Build::Newer,
    }
}

/// The end of a text.
fn tail(text: &str) -> String {
    let text = text.trim();
    let left_out = text.chars().count().saturating_sub(PRINTED_CHARS_MAX);
    text.chars().skip(left_out).collect()
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    NotStarted(Build),
    Running,
    Ended,
}

/// Starts runs and releases their writes, one at a time.
struct Scheduler<'a> {
    environment: &'a Environment,
    order: Order,
    phases: [Phase; 2],
    running: FuturesUnordered<BoxFuture<'a, (Build, Result<StageRun, HarnessError>)>>,
    ended: Vec<(Build, StageRun)>,
    changes: watch::Receiver<()>,
}

impl<'a> Scheduler<'a> {
    fn new(environment: &'a Environment, builds: &[Build], order: Order) -> Self {
        let mut phases = [Phase::Ended; 2];
        for build in builds {
            phases[build.run()] = Phase::NotStarted(*build);
        }
        let (running, ended, changes) = (FuturesUnordered::new(), Vec::new(), environment.gate.changes());
        Self { environment, order, phases, running, ended, changes }
    }

    /// Does so until all runs have ended. Returns them, and whether they had to be killed.
    async fn run(mut self) -> Result<(Vec<(Build, StageRun)>, bool), HarnessError> {
        let mut stuck = false;
        let (mut known, mut since) = (self.environment.gate.pending(), Instant::now());
        let mut quiet = QUIET_MIN;
        while self.phases != [Phase::Ended; 2] {
            self.changes.mark_unchanged();
            let pending = self.environment.gate.pending();
            if pending != known {
                (known, since) = (pending.clone(), Instant::now());
            }
            if since.elapsed() > STUCK_MAX {
                stuck = true;
                self.kill();
            }
            if self.will_change(&pending) {
                self.wait(STEP_MAX).await?;
            } else if !self.rests().await? {
                self.wait(quiet).await?;
                quiet = (quiet * 2).min(QUIET_MAX);
            } else {
                quiet = QUIET_MIN;
                match self.order.next(&[0, 1].map(|run| RunView::of(self.phases[run], &pending[run]))) {
                    Next::Start(run) => self.start(run),
                    Next::Release(run, request) => self.environment.gate.release(run, &request),
                    Next::Wait => {
                        if !self.wait(STEP_MAX).await? {
                            self.order.skip();
                        }
                    }
                }
            }
        }
        self.wait_for_late_requests().await;
        self.ended.sort_by_key(|(build, _)| build.run());
        Ok((self.ended, stuck))
    }

    fn start(&mut self, run: usize) {
        if let Phase::NotStarted(build) = self.phases[run] {
            let environment = self.environment;
            self.running.push(async move { (build, environment.merge(build, 1).await) }.boxed());
            self.phases[run] = Phase::Running;
        }
    }

    fn end(&mut self, build: Build, run: StageRun) {
        self.phases[build.run()] = Phase::Ended;
        self.ended.push((build, run));
    }

    fn kill(&mut self) {
        for (phase, frontend) in self.phases.iter_mut().zip(&self.environment.frontends) {
            match phase {
                Phase::NotStarted(_) => *phase = Phase::Ended,
                Phase::Running => frontend.running.kill(),
                Phase::Ended => {}
            }
        }
    }

    /// Waits until a request arrives or ends, or a run ends, for this long at most. Whether any of it happened.
    async fn wait(&mut self, max: Duration) -> Result<bool, HarnessError> {
        tokio::select! {
            biased;
            Some((build, run)) = self.running.next() => {
                self.end(build, run?);
                Ok(true)
            }
            // It cannot be closed: the gate outlives this.
            _ = self.changes.changed() => Ok(true),
            () = sleep(max) => Ok(false),
        }
    }

    fn running_runs(&self) -> Vec<usize> {
        (0..2).filter(|run| self.phases[*run] == Phase::Running).collect()
    }

    /// Whether something is certain to happen: what is under way ends, and a run alone that holds nothing sends something or
    /// ends.
    fn will_change(&self, pending: &[Pending; 2]) -> bool {
        let running = self.running_runs();
        let single = running.len() == 1 && running.iter().all(|run| pending[*run].held.is_empty());
        single || running.iter().any(|run| pending[*run].open > 0)
    }

    /// Whether all runs that go on rest.
    async fn rests(&mut self) -> Result<bool, HarnessError> {
        let frontends = &self.environment.frontends;
        let groups: Vec<_> = self.running_runs().iter().map(|run| frontends[*run].running.groups()).collect();
        if groups.is_empty() {
            return Ok(true);
        }
        // Without a process, a run is about to begin or has just ended.
        if groups.iter().any(Vec::is_empty) {
            return Ok(false);
        }
        let groups = groups.concat();
        tokio::select! {
            biased;
            Some((build, run)) = self.running.next() => {
                self.end(build, run?);
                Ok(false)
            }
            rest = at_rest(&groups) => {
                let rest = rest.map_err(HarnessError::io("cannot look at processes"))?;
                Ok(rest && !self.changes.has_changed().unwrap_or(true))
            }
        }
    }

    /// Waits until no request is under way: what a killed run has sent still arrives.
    async fn wait_for_late_requests(&mut self) {
        let gate = &self.environment.gate;
        let all_ended = async {
            while gate.pending().iter().any(|pending| pending.open > 0) {
                // It cannot be closed: the gate outlives this.
                let _ = self.changes.changed().await;
            }
        };
        if timeout(LATE_MAX, all_ended).await.is_err() {
            self.environment.frontends[0].recorder.note_trouble("a request of a run that had ended went on");
        }
    }
}

/// A run as an order sees it.
#[derive(Debug, Clone, Copy)]
enum RunView<'a> {
    NotStarted,
    /// With the writes that it holds, sorted.
    Running(&'a [Request]),
    Ended,
}

impl<'a> RunView<'a> {
    fn of(phase: Phase, pending: &'a Pending) -> Self {
        match phase {
            Phase::NotStarted(_) => Self::NotStarted,
            Phase::Running => Self::Running(&pending.held),
            Phase::Ended => Self::Ended,
        }
    }
}

/// Decides what is next.
enum Order {
    /// One run, whose own held writes have a direction.
    Single(Direction),
    /// Two runs: the steps that are left, and the writes that were recorded of each.
    Race { steps: VecDeque<Step>, recorded: [Vec<Request>; 2] },
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Start(usize),
    Release(usize, Request),
    Wait,
}

impl Order {
    fn next(&mut self, runs: &[RunView<'_>; 2]) -> Next {
        if let Self::Race { steps, recorded } = self {
            while let Some(Step { run, number }) = steps.front().copied() {
                match runs[run] {
                    RunView::NotStarted => {
                        if number == 0 {
                            steps.pop_front();
                        }
                        return Next::Start(run);
                    }
                    RunView::Running([]) if number > 0 => return Next::Wait,
                    RunView::Running(held) if number > 0 => {
                        steps.pop_front();
                        // A run may do something else than it did when it was recorded: that takes the step.
                        let request = recorded[run].get(number - 1).filter(|request| held.contains(request));
                        return Next::Release(run, request.unwrap_or(&held[0]).clone());
                    }
                    RunView::Running(_) | RunView::Ended => {
                        steps.pop_front();
                    }
                }
            }
        }
        // One run, or no steps left: what is held goes on by its name.
        let backward = matches!(self, Self::Single(Direction::Backward));
        let next = runs.iter().enumerate().find_map(|(run, view)| match view {
            RunView::NotStarted => Some(Next::Start(run)),
            RunView::Running(held) => {
                let request = if backward { held.last() } else { held.first() };
                request.map(|request| Next::Release(run, request.clone()))
            }
            RunView::Ended => None,
        });
        next.unwrap_or(Next::Wait)
    }

    /// Skips the next step.
    fn skip(&mut self) {
        if let Self::Race { steps, .. } = self {
            steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Kind;

    fn put(reference: &str) -> Request {
        Request { server: "ghcr".into(), kind: Kind::ManifestPut, reference: reference.into(), number: 1 }
    }

    fn race(steps: &str, recorded: [&[&str]; 2]) -> Order {
        let step = |word: &str| {
            let (run, number) = word.split_at(1);
            Step { run: usize::from(run == "b"), number: number.parse().unwrap() }
        };
        let recorded = recorded.map(|names| names.iter().map(|name| put(name)).collect());
        Order::Race { steps: steps.split('.').map(step).collect(), recorded }
    }

    fn next(order: &mut Order, a: RunView<'_>, b: RunView<'_>) -> String {
        match order.next(&[a, b]) {
            Next::Start(run) => format!("start {run}"),
            Next::Release(run, request) => format!("{run} {}", request.reference),
            Next::Wait => "wait".to_owned(),
        }
    }

    #[test]
    fn steps_are_taken_in_their_order() {
        let mut order = race("a0.b0.b1.a1.a2", [&["x", "y"], &["z"]]);
        let (x, y, z) = ([put("x")], [put("y")], [put("z")]);
        assert_eq!(next(&mut order, RunView::NotStarted, RunView::NotStarted), "start 0");
        assert_eq!(next(&mut order, RunView::Running(&x), RunView::NotStarted), "start 1");
        assert_eq!(next(&mut order, RunView::Running(&x), RunView::Running(&z)), "1 z");
        assert_eq!(next(&mut order, RunView::Running(&x), RunView::Ended), "0 x");
        assert_eq!(next(&mut order, RunView::Running(&[]), RunView::Ended), "wait");
        assert_eq!(next(&mut order, RunView::Running(&y), RunView::Ended), "0 y");
    }

    #[test]
    fn another_write_than_the_recorded_one_takes_its_step() {
        let (b, y, x, other) = ([put("b")], [put("y")], [put("x")], [put("other")]);
        let mut order = race("a1.b1.a2.a3", [&["x", "y", "z"], &["b"]]);
        assert_eq!(next(&mut order, RunView::Running(&y), RunView::Running(&b)), "0 y");
        assert_eq!(next(&mut order, RunView::Running(&x), RunView::Running(&b)), "1 b");
        assert_eq!(next(&mut order, RunView::Running(&x), RunView::Ended), "0 x");
        let mut order = race("a1.b1", [&["x"], &["b"]]);
        assert_eq!(next(&mut order, RunView::Running(&other), RunView::Running(&b)), "0 other");
        assert_eq!(next(&mut order, RunView::Running(&other), RunView::Running(&b)), "1 b");
    }

    #[test]
    fn steps_of_an_ended_run_are_skipped_and_writes_without_a_step_come_last() {
        let (b, other) = ([put("b")], [put("other")]);
        let mut order = race("a1.a2.b1", [&["x", "y"], &["b"]]);
        assert_eq!(next(&mut order, RunView::Ended, RunView::Running(&b)), "1 b");
        assert_eq!(next(&mut order, RunView::Ended, RunView::Running(&other)), "1 other");
        assert_eq!(next(&mut order, RunView::Ended, RunView::Running(&[])), "wait");
    }

    #[test]
    fn a_single_run_goes_forward_or_backward() {
        let held = [put("x"), put("y")];
        let mut forward = Order::Single(Direction::Forward);
        assert_eq!(next(&mut forward, RunView::NotStarted, RunView::Ended), "start 0");
        assert_eq!(next(&mut forward, RunView::Ended, RunView::Running(&held)), "1 x");
        assert_eq!(next(&mut forward, RunView::Ended, RunView::Running(&[])), "wait");
        let mut backward = Order::Single(Direction::Backward);
        assert_eq!(next(&mut backward, RunView::Ended, RunView::Running(&held)), "1 y");
    }

    #[test]
    fn the_end_of_what_was_printed_is_kept() {
        assert_eq!(tail(" short \n"), "short");
        assert_eq!(tail(&"x".repeat(3_000)).len(), PRINTED_CHARS_MAX);
    }
}
