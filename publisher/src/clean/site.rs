//! A registry with its driver: where the parts of a clean-up meet.

use std::sync::Arc;

use super::{
    CleanError, Pruning, Report,
    driver::Driver,
    prune::prune,
    report::Problem,
    sweep::{sweep, vacate},
    view::{Floating, View},
};
use crate::{
    auth::Credential,
    config::DriverKind,
    environment::Environment,
    oci::{Digest, RawManifest, Tag},
    registry::Registry,
};

/// One repository that may be cleaned.
pub struct Site {
    registry: Arc<Registry>,
    kind: DriverKind,
    /// Nothing where nothing is removed.
    driver: Option<Driver>,
}

/// What a clean-up goes by.
#[derive(Debug, Default)]
pub struct Task<'a> {
    /// What records name: superseded lists, images that were staged.
    pub recorded: Vec<Digest>,
    /// Manifests whose bytes are known already.
    pub known: Vec<RawManifest>,
    /// A floating tag that was just moved, and the list that it was moved to.
    pub moved: Option<(&'a Tag, &'a RawManifest)>,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

impl Site {
    /// A repository with the driver of this kind.
    ///
    /// # Errors
    /// When the driver's address is none that a secret may be sent to.
    pub fn new(
        registry: Arc<Registry>,
        kind: DriverKind,
        credential: &Credential,
        env: &Environment,
    ) -> Result<Self, CleanError> {
        let driver = Driver::new(kind, &registry, credential, env)?;
        Ok(Self { registry, kind, driver })
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether anything is ever removed here.
    pub fn is_cleaned(&self) -> bool {
        self.driver.is_some()
    }

    /// Removes what the records name and no tag holds. Whatever goes wrong stands in the report.
    pub async fn clean(&self, task: Task<'_>) -> Report {
        let mut report = self.report();
        let Some(driver) = &self.driver else { return report };
        let Task { recorded, known, moved, dry_run } = task;
        let mut view = View::new(&self.registry, driver, recorded);
        view.floating = moved.map(|(tag, list)| Floating::Moved(tag.clone(), list.digest.clone()));
        let mut known = known.into_iter().chain(moved.map(|(_, list)| list.clone()));
        let prepared = known.try_for_each(|manifest| view.library.put(manifest));
        let outcome = match prepared {
            Ok(()) => sweep(&mut view, dry_run, &mut report).await,
            Err(error) => Err(error),
        };
        report.problem = outcome.err().as_ref().map(Problem::from);
        report
    }

    /// Removes the steps of a layer cache that have had their day. Whatever goes wrong stands in the report.
    pub async fn prune(&self, pruning: &Pruning) -> Report {
        let mut report = self.report();
        if let Some(driver) = &self.driver {
            let pruned = prune(&self.registry, driver, pruning, &mut report).await;
            report.problem = pruned.err().as_ref().map(Problem::from);
        }
        report
    }

    fn report(&self) -> Report {
        Report::new(self.registry.name(), self.registry.repository(), self.kind)
    }

    /// Takes a floating tag away right before it is set anew, with the list that it alone holds.
    ///
    /// # Errors
    /// Whatever keeps it from that; then nothing was removed.
    pub async fn vacate(&self, tag: &Tag, list: &RawManifest) -> Result<(), CleanError> {
        let Some(driver) = &self.driver else { return Ok(()) };
        let mut view = View::new(&self.registry, driver, vec![list.digest.clone()]);
        view.floating = Some(Floating::Leaves(tag.clone()));
        view.library.put(list.clone())?;
        vacate(&mut view, tag, &list.digest).await
    }
}
