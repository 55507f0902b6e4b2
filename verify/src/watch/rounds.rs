//! The loop of rounds, and its status for everybody who asks.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::report::Report;

/// When rounds begin, and how long they may take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The time from the beginning of one round to that of the next.
    pub every: Duration,
    /// The longest that a round may take; then it is given up.
    pub round_max: Duration,
}

/// The status of the service. Clones share it.
#[derive(Debug, Clone)]
pub struct Status {
    timing: Timing,
    state: Arc<Mutex<State>>,
}

/// The rounds so far.
#[derive(Debug, Clone)]
pub struct State {
    /// When the service began, or when its last round ended.
    pub(super) last_sign_of_life: Instant,
    /// The last round that ended.
    pub(super) last: Option<Arc<Round>>,
    /// How many rounds ended.
    pub(super) ended: u64,
    /// How many took too long and were given up.
    pub(super) given_up: u64,
}

/// A round that ended.
#[derive(Debug)]
pub struct Round {
    /// Its report.
    pub report: Report,
    /// When it ended.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
}

impl Status {
    /// The status of a service that begins now.
    pub fn new(timing: Timing, now: Instant) -> Self {
        let state = State { last_sign_of_life: now, last: None, ended: 0, given_up: 0 };
        Self { timing, state: Arc::new(Mutex::new(state)) }
    }

    /// When rounds begin.
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// The rounds so far.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// The time since the last round ended, or since the beginning.
    ///
    /// # Errors
    /// The same if it is too long: the loop is dead or hangs.
    pub fn health(&self, now: Instant) -> Result<Duration, Duration> {
        let age = now.saturating_duration_since(self.lock().last_sign_of_life);
        if age <= self.timing.every + self.timing.round_max { Ok(age) } else { Err(age) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes rounds without end. A round that takes too long is given up; the next one comes in its time.
pub async fn rounds<L, F>(status: &Status, mut round: L)
where
    L: FnMut() -> F,
    F: Future<Output = Report>,
{
    let mut ticks = interval(status.timing.every);
    // After a long round, a pause again: registries count requests.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let began = Instant::now();
        let result = timeout(status.timing.round_max, round()).await;
        let mut state = status.lock();
        match result {
            Ok(report) => {
                state.last = Some(Arc::new(Round { report, at: SystemTime::now(), took: began.elapsed() }));
                state.last_sign_of_life = Instant::now();
                state.ended += 1;
            }
            Err(_) => state.given_up += 1,
        }
    }
}
