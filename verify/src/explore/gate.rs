//! The gate: every request of every run passes here, is recorded, and meets its fault or waits to be released.
//!
//! - A write is forwarded only when it is released, and only one is released at a time.
//! - A fault at a write happens when that write is released, a fault at a read at once.
//! - Nothing here waits for time to pass but a hanging request.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::{oneshot, watch};

use super::{
    order::RecordedWrite,
    request::{Request, Roles},
    schedule::Fault,
};
use crate::{
    harness::{
        proxy::{Answer, Arbiter, Ending, Ruling, Verdict},
        subject::Running,
    },
    history::{Kind, Operation},
};

/// For how long a hanging request hangs.
const HANG: Duration = Duration::from_millis(400);
/// The status of a registry that is down.
const DOWN: u16 = 503;

/// How writes are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// All go on at once.
    #[default]
    Pass,
    /// They wait to be released.
    Ordered,
}

/// The requests of a run that are not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pending {
    /// How many are under way.
    pub(super) open: usize,
    /// The writes that wait to be released, sorted.
    pub(super) held: Vec<Request>,
}

/// What was recorded in one schedule.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// All requests of each run, in the order in which they arrived.
    pub(super) requests: [Vec<Request>; 2],
    /// The writes of each run.
    pub(super) writes: [Vec<RecordedWrite>; 2],
    /// The writes of both runs in the order in which they were forwarded, with the run's number.
    pub(super) order: Vec<(usize, Request)>,
    /// Whether the fault met its request.
    pub(super) fired: bool,
    /// Whether a request came that could not be classified.
    pub(super) unknown: bool,
}

/// The gate before the servers of one environment.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    roles: Roles,
    mode: Mode,
    fault: Option<(Fault, Request)>,
    /// The run that a killing fault kills.
    victim: Running,
    /// The servers that are down.
    down: BTreeSet<String>,
    runs: [RunState; 2],
    trace: Trace,
    /// The number of the schedule: requests of an earlier one must not be counted.
    schedule: u64,
}

#[derive(Default)]
struct RunState {
    open: usize,
    /// How many requests there were of each kind, by server and reference.
    numbers: HashMap<(String, Kind, String), usize>,
    held: Vec<(Request, oneshot::Sender<()>)>,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a schedule with an empty trace. Whatever is held is dropped.
    pub(super) fn begin(&self, mode: Mode, fault: Option<(Fault, Request)>, victim: &Running) {
        let mut state = self.state();
        let (roles, schedule) = (std::mem::take(&mut state.roles), state.schedule + 1);
        *state = State { roles, mode, fault, victim: victim.clone(), schedule, ..State::default() };
    }

    /// What was recorded since the schedule began.
    pub(super) fn trace(&self) -> Trace {
        self.state().trace.clone()
    }

    /// Reads or changes the roles of digests.
    pub(super) fn with_roles<T>(&self, work: impl FnOnce(&mut Roles) -> T) -> T {
        work(&mut self.state().roles)
    }

    /// Notifies of each request that arrives, is released or ends.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The pending requests of each run.
    pub(super) fn pending(&self) -> [Pending; 2] {
        self.state().runs.each_ref().map(|run| {
            let mut held: Vec<Request> = run.held.iter().map(|(request, _)| request.clone()).collect();
            held.sort();
            Pending { open: run.open, held }
        })
    }

    /// Lets a held write go on.
    pub(super) fn release(&self, run: usize, request: &Request) {
        let mut state = self.state();
        let Some(at) = state.runs[run].held.iter().position(|(held, _)| held == request) else { return };
        let (request, released) = state.runs[run].held.remove(at);
        state.trace.order.push((run, request));
        // From here on it is under way, so that nothing else is released before it ends. Its client may be gone: then it is
        // about to end.
        state.runs[run].open += 1;
        let _ = released.send(());
        drop(state);
        self.changed.send_replace(());
    }

    /// The arbiter of the proxy by which a run reaches a server.
    pub(super) fn arbiter(self: &Arc<Self>, run: usize, server: &str) -> Arc<dyn Arbiter> {
        Arc::new(ServerGate { gate: Arc::clone(self), run, server: server.to_owned() })
    }

    /// Records a request that has arrived. A write comes with what it has to wait for.
    fn arrive(
        self: &Arc<Self>,
        run: usize,
        server: &str,
        operation: Option<&Operation>,
    ) -> (InFlight, Option<oneshot::Receiver<()>>) {
        let mut state = self.state();
        let mut flight =
            InFlight { gate: Arc::clone(self), run, schedule: state.schedule, request: None, progress: Progress::Open };
        let mut release = None;
        if let Some(operation) = operation {
            let request = state.name(run, server, operation);
            state.trace.requests[run].push(request.clone());
            if request.writes() && state.mode == Mode::Ordered {
                let forwarded = state.trace.order.iter().filter(|(other, _)| *other == run);
                let after = forwarded.map(|(_, it)| it.clone()).collect();
                state.trace.writes[run].push(RecordedWrite { request: request.clone(), after });
                let (sender, receiver) = oneshot::channel();
                state.runs[run].held.push((request.clone(), sender));
                flight.progress = Progress::Held;
                release = Some(receiver);
            } else if request.writes() {
                state.trace.order.push((run, request.clone()));
            }
            flight.request = Some(request);
        } else {
            state.trace.unknown = true;
        }
        if flight.progress == Progress::Open {
            state.runs[run].open += 1;
        }
        drop(state);
        self.changed.send_replace(());
        (flight, release)
    }

    /// What happens to a request that goes on. None if it hangs.
    fn verdict(&self, request: &Request) -> Option<Verdict> {
        let mut state = self.state();
        if state.down.contains(&request.server) {
            return Some(Verdict::Answer(DOWN.into()));
        }
        let Some((fault, _)) = state.fault.clone().filter(|(_, at)| at == request) else { return Some(Verdict::Pass) };
        state.trace.fired = true;
        let victim = state.victim.clone();
        match fault {
            Fault::KillBefore => {
                victim.kill();
                Some(Verdict::End(Ending::Cut))
            }
            Fault::KillAfter => Some(Verdict::Lose(Arc::new(move || victim.kill()), Ending::Cut)),
            Fault::AnswerLost => Some(Verdict::Lose(Arc::new(|| {}), Ending::Reset)),
            Fault::Refused => Some(Verdict::Answer(Answer::from(DOWN))),
            Fault::Down => {
                state.down.insert(request.server.clone());
                Some(Verdict::Answer(Answer::from(DOWN)))
            }
            Fault::Hang => None,
        }
    }
}

impl State {
    fn name(&mut self, run: usize, server: &str, operation: &Operation) -> Request {
        let (server, kind, reference) = (server.to_owned(), operation.kind, self.roles.reference(operation));
        let number = self.runs[run].numbers.entry((server.clone(), kind, reference.clone())).or_default();
        *number += 1;
        Request { server, kind, reference, number: *number }
    }
}

/// The gate before one server, for one run.
struct ServerGate {
    gate: Arc<Gate>,
    run: usize,
    server: String,
}

impl Arbiter for ServerGate {
    fn rule(&self, operation: Option<&Operation>) -> BoxFuture<'static, Ruling> {
        // Made before anything is awaited, so that nothing stays counted when this future is dropped.
        let (mut flight, release) = self.gate.arrive(self.run, &self.server, operation);
        async move {
            if let Some(released) = release {
                if released.await.is_err() {
                    // The schedule is over.
                    return Ruling { verdict: Verdict::End(Ending::Cut), until_ended: Box::new(()) };
                }
                flight.progress = Progress::Open;
            }
            let verdict = flight.request.as_ref().map_or(Some(Verdict::Pass), |request| flight.gate.verdict(request));
            let verdict = if let Some(verdict) = verdict {
                verdict
            } else {
                // Others go on while it hangs.
                flight.change(Progress::Idle);
                tokio::time::sleep(HANG).await;
                flight.change(Progress::Open);
                Verdict::End(Ending::Reset)
            };
            Ruling { verdict, until_ended: Box::new(flight) }
        }
        .boxed()
    }
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It waits to be released.
    Held,
    /// It is under way.
    Open,
    /// It hangs, or has ended.
    Idle,
}

/// A request that is not ended. Dropping it ends it.
struct InFlight {
    gate: Arc<Gate>,
    run: usize,
    schedule: u64,
    request: Option<Request>,
    progress: Progress,
}

impl InFlight {
    fn change(&mut self, progress: Progress) {
        let mut state = self.gate.state();
        if state.schedule == self.schedule {
            let run = &mut state.runs[self.run];
            let held = run.held.iter().position(|(held, _)| Some(held) == self.request.as_ref());
            match (self.progress, held) {
                (Progress::Held, Some(at)) => drop(run.held.remove(at)),
                // A held request that is no longer among them was released just now, and counts as open.
                (Progress::Held | Progress::Open, _) => run.open = run.open.saturating_sub(1),
                (Progress::Idle, _) => {}
            }
            run.open += usize::from(progress == Progress::Open);
        }
        drop(state);
        self.progress = progress;
        self.gate.changed.send_replace(());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.change(Progress::Idle);
    }
}
