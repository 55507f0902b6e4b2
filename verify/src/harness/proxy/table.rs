//! A proxy's rules in their order: the first that matches a request and is not used up applies.
//!
//! Standing rules, which make a registry like a public one, come after those of the scenario and need not fire.

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
    /// How often it took effect.
    pub times: usize,
}

/// A rule in a table, with its state.
pub(super) struct ActiveRule {
    pub(super) rule: Rule,
    /// How often it may still apply.
    left: Mutex<Option<usize>>,
    fired: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl ActiveRule {
    fn new(rule: Rule) -> Arc<Self> {
        let left = Mutex::new(rule.times);
        Arc::new(Self { rule, left, fired: watch::Sender::new(0), released: watch::Sender::new(false) })
    }

    /// Whether it applies to a request, which uses it up once.
    fn apply(&self, facts: &Facts<'_>) -> bool {
        if self.is_released() || !self.rule.matches(facts) {
            return false;
        }
        let mut left = lock(&self.left);
        let applies = *left != Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        applies
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
}

/// A rule that applies to a request. Dropped before it fired, it gives its use back.
pub(super) struct Applied {
    rule: Arc<ActiveRule>,
    fired: bool,
}

impl Applied {
    pub(super) fn rule(&self) -> &Rule {
        &self.rule.rule
    }

    pub(super) fn active(&self) -> Arc<ActiveRule> {
        Arc::clone(&self.rule)
    }

    /// The rule takes effect now.
    pub(super) fn fire(&mut self) {
        self.fired = true;
        self.rule.fired.send_modify(|times| *times += 1);
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        if !self.fired {
            let mut left = lock(&self.rule.left);
            *left = left.map(|left| left + 1);
        }
    }
}

/// A rule that was added to a proxy.
#[derive(Clone)]
pub struct Injected(Arc<ActiveRule>);

impl Injected {
    /// Waits until it has fired.
    pub fn fired(&self) -> impl Future<Output = ()> + Send + use<> {
        let rule = Arc::clone(&self.0);
        async move {
            let _ = rule.fired.subscribe().wait_for(|fired| *fired > 0).await;
        }
    }

    /// How often it has fired.
    pub fn times(&self) -> usize {
        *self.0.fired.borrow()
    }

    /// Ends it: held requests go on, tags are shown as they are, and nothing more is matched.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }
}

/// The rules of one proxy.
#[derive(Default)]
pub(super) struct Table {
    added: Mutex<Vec<Injected>>,
    standing: Mutex<Vec<Injected>>,
}

impl Table {
    pub(super) fn add(&self, rule: Rule) -> Injected {
        let injected = Injected(ActiveRule::new(rule));
        lock(&self.added).push(injected.clone());
        injected
    }

    pub(super) fn add_standing(&self, rule: Rule) {
        lock(&self.standing).push(Injected(ActiveRule::new(rule)));
    }

    /// The rule that applies to a request.
    pub(super) fn find(&self, facts: &Facts<'_>) -> Option<Applied> {
        let first = |rules: &Mutex<Vec<Injected>>| lock(rules).iter().find(|it| it.0.apply(facts)).cloned();
        let Injected(rule) = first(&self.added).or_else(|| first(&self.standing))?;
        Some(Applied { rule, fired: false })
    }

    /// Releases all but the standing rules.
    pub(super) fn heal(&self) {
        lock(&self.added).iter().for_each(Injected::release);
    }

    /// How often each rule fired, except the standing ones.
    pub(super) fn fired(&self, server: &str) -> Vec<Fired> {
        let fired =
            |it: &Injected| Fired { server: server.to_owned(), rule: it.0.rule.name.clone(), times: it.times() };
        lock(&self.added).iter().map(fired).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
