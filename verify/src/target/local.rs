//! A pipeline on this machine: is made to run, has faults injected, and is watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use tokio::sync::OnceCell;

use super::{Shared, shared::Claim};
use crate::{
    check::Check,
    evidence::Evidence,
    harness::{HarnessError, registry::Backend, subject::Subject, sweep::Sweep},
    scenario::{Scenario, World, play},
    verdict::Verdict,
};

/// How a pipeline is put under test.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The pipeline.
    pub subject: Subject,
    /// Variables that it gets besides those of the contract.
    pub environment: BTreeMap<String, String>,
    /// What kind of registries it publishes to.
    pub backend: Backend,
    /// The folder of the image that is built.
    pub image: PathBuf,
    /// From what chances are drawn.
    pub seed: u64,
}

/// A pipeline under test, with the evidence that was taken so far.
#[derive(Debug, Clone)]
pub struct Local {
    options: Arc<LocalOptions>,
}

impl Local {
    /// A pipeline under test.
    pub fn new(options: LocalOptions) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Makes the pipeline go through a scenario. Trouble of the harness is part of the evidence, which then proves nothing.
    pub async fn take(&self, scenario: Scenario) -> Evidence {
        match self.played(scenario).await {
            Ok(evidence) => evidence,
            Err(error) => Evidence { trouble: vec![error.with_causes()], ..Evidence::default() },
        }
    }

    async fn played(&self, scenario: Scenario) -> Result<Evidence, HarnessError> {
        if self.options.backend == Backend::Container {
            SWEPT.get_or_try_init(sweep).await?;
        }
        let mut world = World::start(&self.options, scenario).await?;
        let played = play(scenario, &mut world).await;
        let mut evidence = world.finish().await;
        if let Err(error) = played {
            evidence.trouble.insert(0, error.with_causes());
        }
        Ok(evidence)
    }

    /// The evidence of a scenario, taken by the first process that claims it, or the trouble with sharing it.
    pub async fn shared(&self, shared: &Shared, scenario: Scenario) -> Result<Evidence, HarnessError> {
        let name = self.options.subject.name.as_str();
        loop {
            match shared.claim(name, scenario).map_err(unshared())? {
                Claim::Ready(evidence) => return Ok(*evidence),
                Claim::Make(lock) => Shared::put(&lock, &self.take(scenario).await).map_err(unshared())?,
                Claim::Busy => {
                    if !self.make_another(shared).await? {
                        shared.wait(name, scenario).map_err(unshared())?;
                    }
                }
            }
        }
    }

    /// Takes the evidence of the first scenario that no process has claimed; whether there was one.
    async fn make_another(&self, shared: &Shared) -> Result<bool, HarnessError> {
        for scenario in Scenario::all() {
            if let Claim::Make(lock) = shared.claim(&self.options.subject.name, *scenario).map_err(unshared())? {
                Shared::put(&lock, &self.take(*scenario).await).map_err(unshared())?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether what killed processes left was removed.
static SWEPT: OnceCell<()> = OnceCell::const_new();

/// Removes what killed processes left, before anything new is in its way.
async fn sweep() -> Result<(), HarnessError> {
    Sweep::begin().await?.leftovers().await
}

/// For `map_err`: evidence that could not be shared.
fn unshared() -> impl FnOnce(std::io::Error) -> HarnessError {
    HarnessError::io("cannot share evidence")
}

/// The scenarios that some checks need, in their order.
pub fn scenarios(checks: &[&Check]) -> Vec<Scenario> {
    let needed: BTreeSet<Scenario> = checks.iter().filter_map(|check| check.scenario).collect();
    needed.into_iter().collect()
}

/// The verdicts of all checks on evidence of their scenario.
pub fn judge<'a>(checks: &[&'a Check], scenario: Scenario, evidence: &Evidence) -> Vec<(&'a Check, Verdict)> {
    let meant = checks.iter().filter(|check| check.scenario == Some(scenario));
    meant.map(|check| (*check, check.verdict(evidence))).collect()
}
