//! The desk: every request of every run comes by, is written down, and meets its fault or waits for its turn.
//!
//! What always holds:
//! - A write is forwarded only when it was released, and only one is released at a time.
//! - A fault at a write strikes when that write's turn has come, a fault at a read at once.
//! - Nothing here waits for a time but a hanging request.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::{oneshot, watch};

use super::{
    names::Names,
    request::Request,
    schedule::{Fault, Seen},
};
use crate::{
    harness::{
        proxy::{Action, Answer, Decision, Ending, Intercepted, Interceptor},
        subject::Running,
    },
    history::{Kind, Operation},
};

/// For how long a hanging request hangs.
const HANG: Duration = Duration::from_millis(400);
/// The status of a registry that is down.
const DOWN: u16 = 503;

/// How requests are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// All go on at once.
    #[default]
    Pass,
    /// Writes wait for their turn.
    InTurn,
}

/// What is known of a run while it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Requests that are neither ended nor held.
    pub(super) open: usize,
    /// Writes that wait for their turn, sorted.
    pub(super) held: Vec<Request>,
}

/// What one schedule has shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    /// All requests of each run, in the order in which they arrived.
    pub(super) requests: [Vec<Request>; 2],
    /// The writes of each run with those of the same run that came before.
    pub(super) writes: [Vec<Seen>; 2],
    /// The writes of all runs in the order in which they were forwarded, with the run's number.
    pub(super) order: Vec<(usize, Request)>,
    /// Whether the fault met its request.
    pub(super) fired: bool,
    /// A request that nobody knows.
    pub(super) unknown: bool,
}

/// The desk of a lane.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    names: Names,
    mode: Mode,
    fault: Option<(Fault, Request)>,
    /// Of whom a killing fault makes an end.
    victim: Running,
    /// The servers that are down.
    down: BTreeSet<String>,
    runs: [Run; 2],
    noted: Noted,
    /// Which schedule this is: what is left of an earlier one must not be counted.
    turn: u64,
}

#[derive(Default)]
struct Run {
    open: usize,
    numbers: HashMap<(String, Kind, String), usize>,
    held: Vec<(Request, oneshot::Sender<()>)>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a schedule: forgets everything that was noted, and whatever is held goes away.
    pub(super) fn begin(&self, mode: Mode, fault: Option<(Fault, Request)>, victim: &Running) {
        let mut state = self.state();
        let (names, turn) = (std::mem::take(&mut state.names), state.turn + 1);
        *state = State { names, mode, fault, victim: victim.clone(), turn, ..State::default() };
    }

    /// What was noted since the schedule began.
    pub(super) fn noted(&self) -> Noted {
        self.state().noted.clone()
    }

    /// Tells names.
    pub(super) fn with_names<T>(&self, work: impl FnOnce(&mut Names) -> T) -> T {
        work(&mut self.state().names)
    }

    /// Changes from now on are told to whoever has this.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What is known of each run.
    pub(super) fn views(&self) -> [View; 2] {
        let state = self.state();
        [0, 1].map(|run: usize| {
            let mut held: Vec<Request> = state.runs[run].held.iter().map(|(request, _)| request.clone()).collect();
            held.sort();
            View { open: state.runs[run].open, held }
        })
    }

    /// It is a held write's turn.
    pub(super) fn release(&self, run: usize, request: &Request) {
        let mut state = self.state();
        let Some(at) = state.runs[run].held.iter().position(|(held, _)| held == request) else { return };
        let (request, held) = state.runs[run].held.remove(at);
        state.noted.order.push((run, request));
        // From here on it is under way, so that nobody else is released before it has ended.
        state.runs[run].open += 1;
        if held.send(()).is_err() {
            state.runs[run].open -= 1;
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Who is asked by the proxy before a server, for the run that reaches the servers that way.
    pub(super) fn interceptor(self: &Arc<Self>, run: usize, server: &str) -> Arc<dyn Interceptor> {
        Arc::new(Window { desk: Arc::clone(self), run, server: server.to_owned() })
    }

    /// A request has arrived: how it is called, and where it waits if it must.
    fn arrive(&self, run: usize, server: &str, operation: Option<&Operation>) -> Arrived {
        let mut state = self.state();
        let Some(operation) = operation else {
            state.noted.unknown = true;
            state.runs[run].open += 1;
            return Arrived { request: None, turn: state.turn, held: None };
        };
        let about = state.names.about(operation);
        let number = state.runs[run].numbers.entry((server.to_owned(), operation.kind, about.clone())).or_default();
        *number += 1;
        let request = Request { server: server.to_owned(), kind: operation.kind, about, number: *number };
        state.noted.requests[run].push(request.clone());
        let held = if state.mode == Mode::InTurn && request.writes() {
            let order = &state.noted.order;
            let behind = order.iter().filter(|(other, _)| *other == run).map(|(_, it)| it.clone()).collect();
            state.noted.writes[run].push(Seen { request: request.clone(), behind });
            let (sender, receiver) = oneshot::channel();
            state.runs[run].held.push((request.clone(), sender));
            Some(receiver)
        } else {
            if request.writes() {
                state.noted.order.push((run, request.clone()));
            }
            state.runs[run].open += 1;
            None
        };
        let turn = state.turn;
        drop(state);
        self.changed.send_replace(());
        Arrived { request: Some(request), turn, held }
    }

    /// What happens to a request whose turn it is.
    fn strike(&self, request: &Request) -> Strike {
        let mut state = self.state();
        if state.down.contains(&request.server) {
            return Strike::Now(Decision::Answer(DOWN.into()));
        }
        let Some((fault, _)) = state.fault.clone().filter(|(_, at)| at == request) else {
            return Strike::Now(Decision::Pass);
        };
        state.noted.fired = true;
        let victim = state.victim.clone();
        match fault {
            Fault::KillBefore => {
                victim.kill();
                Strike::Now(Decision::End(Ending::Close))
            }
            Fault::KillAfter => Strike::Now(Decision::LoseAnswer(Arc::new(move || victim.kill()), Ending::Close)),
            Fault::AnswerLost => {
                let nothing: Action = Arc::new(|| {});
                Strike::Now(Decision::LoseAnswer(nothing, Ending::Reset))
            }
            Fault::Refused => Strike::Now(Decision::Answer(Answer::from(DOWN))),
            Fault::Down => {
                state.down.insert(request.server.clone());
                Strike::Now(Decision::Answer(Answer::from(DOWN)))
            }
            Fault::Hang => Strike::Hang,
        }
    }

    /// Something that counted as open counts no longer, or counts again.
    fn count(&self, run: usize, turn: u64, one_more: bool) {
        let mut state = self.state();
        if state.turn == turn {
            let open = &mut state.runs[run].open;
            *open = if one_more { *open + 1 } else { open.saturating_sub(1) };
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// A held request went away, as when its client was killed.
    fn forget(&self, run: usize, turn: u64, request: &Request) {
        let mut state = self.state();
        if state.turn == turn {
            let run = &mut state.runs[run];
            match run.held.iter().position(|(held, _)| held == request) {
                Some(at) => drop(run.held.remove(at)),
                // It had been released in this moment, and counts as open.
                None => run.open = run.open.saturating_sub(1),
            }
        }
        drop(state);
        self.changed.send_replace(());
    }
}

enum Strike {
    Now(Decision),
    Hang,
}

struct Arrived {
    request: Option<Request>,
    turn: u64,
    held: Option<oneshot::Receiver<()>>,
}

/// Where the requests of one run to one server come by.
struct Window {
    desk: Arc<Desk>,
    run: usize,
    server: String,
}

impl Interceptor for Window {
    fn intercept(&self, operation: Option<&Operation>) -> BoxFuture<'static, Intercepted> {
        let (desk, run) = (Arc::clone(&self.desk), self.run);
        let Arrived { request, turn, held } = desk.arrive(run, &self.server, operation);
        let Some(request) = request else {
            let open = Open { desk, run, turn, counts: true };
            return async move { Intercepted { decision: Decision::Pass, until_ended: Box::new(open) } }.boxed();
        };
        // Made before anything is awaited: whoever drops this future before it ends must leave nothing counted.
        let mut open = Open { desk: Arc::clone(&desk), run, turn, counts: held.is_none() };
        let waiting = held.map(|turn_comes| {
            (turn_comes, Waiting { desk: Arc::clone(&desk), run, turn, request: request.clone(), released: false })
        });
        async move {
            if let Some((turn_comes, mut waiting)) = waiting {
                waiting.released = turn_comes.await.is_ok();
                if !waiting.released {
                    // Its schedule is over.
                    return Intercepted { decision: Decision::End(Ending::Close), until_ended: Box::new(()) };
                }
                open.counts = true;
            }
            let decision = match desk.strike(&request) {
                Strike::Now(decision) => decision,
                Strike::Hang => {
                    // Others go on meanwhile.
                    open.counts = false;
                    desk.count(run, turn, false);
                    tokio::time::sleep(HANG).await;
                    desk.count(run, turn, true);
                    open.counts = true;
                    Decision::End(Ending::Reset)
                }
            };
            Intercepted { decision, until_ended: Box::new(open) }
        }
        .boxed()
    }
}

/// A request that is under way.
struct Open {
    desk: Arc<Desk>,
    run: usize,
    turn: u64,
    counts: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.counts {
            self.desk.count(self.run, self.turn, false);
        }
    }
}

/// A request that waits for its turn.
struct Waiting {
    desk: Arc<Desk>,
    run: usize,
    turn: u64,
    request: Request,
    released: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.released {
            self.desk.forget(self.run, self.turn, &self.request);
        }
    }
}
