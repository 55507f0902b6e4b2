//! What is known of the rounds: written by the loop, read by whoever asks.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::report::Report;

/// How long rounds may take, and how often they come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The time from the begin of one round to that of the next.
    pub every: Duration,
    /// The longest that a round may take; then it is given up.
    pub round_max: Duration,
}

/// The board. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Board {
    pace: Pace,
    state: Arc<Mutex<State>>,
}

/// What stands on it.
#[derive(Debug, Clone)]
pub struct State {
    /// When the service began, or when its last round ended.
    pub(super) beat: Instant,
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
    /// What it found.
    pub report: Report,
    /// When it ended.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
}

impl Board {
    /// An empty one, for a service that begins now.
    pub fn new(pace: Pace, now: Instant) -> Self {
        let state = State { beat: now, last: None, ended: 0, given_up: 0 };
        Self { pace, state: Arc::new(Mutex::new(state)) }
    }

    /// How often rounds come.
    pub const fn pace(&self) -> Pace {
        self.pace
    }

    /// What stands on it now.
    pub fn state(&self) -> State {
        self.locked().clone()
    }

    pub(super) fn ended(&self, round: Round, now: Instant) {
        let mut state = self.locked();
        (state.beat, state.ended, state.last) = (now, state.ended + 1, Some(Arc::new(round)));
    }

    pub(super) fn given_up(&self) {
        self.locked().given_up += 1;
    }

    /// Whether the loop is alive: its last round ended in time, or the first has still time.
    ///
    /// # Errors
    /// For how long no round has ended.
    pub fn health(&self, now: Instant) -> Result<Duration, Duration> {
        let age = now.saturating_duration_since(self.locked().beat);
        if age <= self.pace.every + self.pace.round_max { Ok(age) } else { Err(age) }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // What is on it is whole whenever it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
