//! A proxy's rules in their order: the first that meets a request and is not used up has it.
//!
//! Standing rules, which make a registry like one of the world's, come behind those of the scenario and need not fire.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::rule::{Facts, Rule};

/// How often a rule fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The proxy whose rule it is.
    pub server: String,
    /// The rule's name.
    pub rule: String,
    /// How often it did something.
    pub times: usize,
}

/// A rule in a table, with its state.
pub(super) struct Slot {
    pub(super) rule: Rule,
    draws: Mutex<Draws>,
    fired: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

/// How often it met requests, and what is left of it.
struct Draws {
    to_skip: usize,
    left: Option<usize>,
    random: Option<(fastrand::Rng, f64)>,
}

impl Slot {
    fn new(rule: Rule) -> Self {
        let draws = Draws {
            to_skip: rule.skip,
            left: rule.times,
            random: rule.chance.map(|chance| (fastrand::Rng::with_seed(chance.seed), chance.probability)),
        };
        Self { rule, draws: Mutex::new(draws), fired: watch::Sender::new(0), released: watch::Sender::new(false) }
    }

    fn takes(&self, facts: &Facts<'_>) -> bool {
        if *self.released.borrow() || !self.rule.is_about(facts) {
            return false;
        }
        if self.rule.turn.as_ref().is_some_and(|turn| !turn.is_later()) {
            return false;
        }
        let mut draws = lock(&self.draws);
        if draws.to_skip > 0 {
            draws.to_skip -= 1;
            return false;
        }
        if draws.left == Some(0) || draws.random.as_mut().is_some_and(|(random, chance)| random.f64() >= *chance) {
            return false;
        }
        draws.left = draws.left.map(|left| left - 1);
        true
    }

    fn give_back(&self) {
        let mut draws = lock(&self.draws);
        draws.left = draws.left.map(|left| left + 1);
    }

    /// Waits until it is released.
    pub(super) async fn released(&self) {
        // Its sender is in `self`: it cannot be closed.
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }

    /// Whether it is released.
    pub(super) fn is_released(&self) -> bool {
        *self.released.borrow()
    }

    fn release(&self) {
        self.released.send_replace(true);
    }
}

/// A request that is a rule's. Dropped before it fired, it is as if the rule had never met it.
pub(super) struct Claim {
    slot: Arc<Slot>,
    fired: bool,
}

impl Claim {
    pub(super) fn rule(&self) -> &Rule {
        &self.slot.rule
    }

    pub(super) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// The rule does what it does, now.
    pub(super) fn fire(&mut self) {
        self.fired = true;
        if let Some(call) = &self.slot.rule.call {
            call();
        }
        self.slot.fired.send_modify(|times| *times += 1);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.fired {
            self.slot.give_back();
        }
    }
}

/// A rule that was added to a proxy.
#[derive(Clone)]
pub struct Injected(Arc<Slot>);

impl Injected {
    /// Waits until it has fired for the first time.
    pub fn fired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.fired_times(1)
    }

    /// Waits until it has fired so often.
    pub fn fired_times(&self, times: usize) -> impl Future<Output = ()> + Send + use<> {
        let slot = Arc::clone(&self.0);
        async move {
            let _ = slot.fired.subscribe().wait_for(|fired| *fired >= times).await;
        }
    }

    /// How often it has fired.
    pub fn times(&self) -> usize {
        *self.0.fired.borrow()
    }

    /// Ends it: what it holds goes on, what it shows late is shown, and it meets nothing more.
    pub fn release(&self) {
        self.0.release();
    }
}

impl std::fmt::Debug for Injected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Injected({:?}, fired {} times)", self.0.rule.name, self.times())
    }
}

/// The rules of one proxy.
#[derive(Default)]
pub(super) struct Table {
    added: Mutex<Vec<Arc<Slot>>>,
    standing: Mutex<Vec<Arc<Slot>>>,
}

impl Table {
    pub(super) fn add(&self, rule: Rule) -> Injected {
        let slot = Arc::new(Slot::new(rule));
        lock(&self.added).push(Arc::clone(&slot));
        Injected(slot)
    }

    pub(super) fn stand(&self, rule: Rule) {
        lock(&self.standing).push(Arc::new(Slot::new(rule)));
    }

    /// The rule that has a request.
    pub(super) fn claim(&self, facts: &Facts<'_>) -> Option<Claim> {
        let first = |slots: &Mutex<Vec<Arc<Slot>>>| lock(slots).iter().find(|slot| slot.takes(facts)).cloned();
        let slot = first(&self.added).or_else(|| first(&self.standing))?;
        Some(Claim { slot, fired: false })
    }

    /// Releases all but the standing rules.
    pub(super) fn heal(&self) {
        lock(&self.added).iter().for_each(|slot| slot.release());
    }

    /// How often each rule fired, but for the standing ones.
    pub(super) fn fired(&self, server: &str) -> Vec<Fired> {
        let fired = |slot: &Arc<Slot>| Fired {
            server: server.to_owned(),
            rule: slot.rule.name.clone(),
            times: *slot.fired.borrow(),
        };
        lock(&self.added).iter().map(fired).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
