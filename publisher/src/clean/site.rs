//! A registry with its driver: where the parts of a clean-up meet.

use std::{collections::HashSet, sync::Arc};

use super::{
    CleanError, Pruning, Report,
    driver::{Deletion, Driver, Leaving, Stays},
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
    registry::{Name, Registry},
};

/// How often a registry is looked at that does not list yet what was just put there. The waits between double.
const UNTAG_LOOKS_MAX: u32 = 4;

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

    /// How hard it is to take away a tag that is new here: more than 0, which is a tag that need not be taken away.
    pub fn hard_to_untag(&self) -> u8 {
        match &self.driver {
            Some(Driver::DockerHub(_)) => 1,
            Some(Driver::Distribution(_)) => 2,
            // Packages are listed late, and what is the last tagged version is never deleted.
            Some(Driver::GitHub(_)) => 3,
            None => 4,
        }
    }

    /// Takes a tag away that this run has set to `list`, and nothing else. Where a tag goes with its manifest alone, it is
    /// set to a copy of the list first, which differs by a line end and so is nobody else's.
    ///
    /// # Errors
    /// Whatever keeps it from that.
    pub async fn untag(&self, tag: &Tag, list: &RawManifest) -> Result<(), CleanError> {
        let registry = &self.registry;
        // Where nothing is cleaned up, what this run itself put there may be deleted all the same.
        let driver = self.driver.as_ref().unwrap_or(&Driver::PLAIN);
        if driver.delete_tag(registry, tag).await?.is_some() {
            return Ok(());
        }
        let copy = RawManifest::new(&list.media_type, [&list.bytes[..], b"\n"].concat());
        registry.put_manifest(Name::Tag(tag), &copy).await?;
        for look in 0..UNTAG_LOOKS_MAX {
            driver.look(registry, &HashSet::from([copy.digest.clone()])).await?;
            let leaving = Leaving { with_it: std::slice::from_ref(tag), moved: None };
            match driver.delete(registry, &copy.digest, leaving, async || Ok(None)).await? {
                Deletion::Gone | Deletion::Absent => return Ok(()),
                Deletion::Stays(Stays::Unlisted) if look + 1 < UNTAG_LOOKS_MAX => {
                    tokio::time::sleep(registry.backoff().wait(look + 1, None, 0.0)).await;
                }
                Deletion::Stays(why) => return Err(CleanError::Stays(why.words())),
            }
        }
        Ok(())
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
