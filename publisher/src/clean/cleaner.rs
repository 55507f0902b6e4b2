//! A registry with its driver: what a command asks for, carried out and reported.

use std::{collections::HashSet, slice, sync::Arc};

use super::{
    Problem, Pruning, Report, decide,
    driver::{Deletion, DockerHub, Driver, GitHub},
    expiry::expired,
    scan::Scanner,
    sweep::sweep,
};
use crate::{
    auth::Credential,
    config::DriverKind,
    environment::Environment,
    oci::{Digest, RawManifest, Tag},
    registry::{Name, Registry},
};

/// How often a registry is asked that does not list yet what was just pushed. The waits between double.
const LIST_ATTEMPTS_MAX: u32 = 4;

/// Cleans one repository.
pub struct Cleaner {
    /// The registry.
    pub registry: Arc<Registry>,
    kind: DriverKind,
    /// `None` where nothing is removed.
    driver: Option<Driver>,
}

/// What to clean up.
#[derive(Debug, Default)]
pub struct Task<'a> {
    /// What records name: superseded lists, images that were staged.
    pub recorded: Vec<Digest>,
    /// Manifests whose bytes are known already.
    pub known: Vec<RawManifest>,
    /// A floating tag that was just moved, and the list that it was moved to.
    pub moved: Option<(&'a Tag, &'a RawManifest)>,
    /// Whether to say only what would be removed.
    pub dry_run: bool,
}

impl Cleaner {
    /// A repository with the driver of this kind.
    ///
    /// # Errors
    /// When the driver's address is none that a secret may be sent to.
    pub fn new(
        registry: Arc<Registry>,
        kind: DriverKind,
        credential: &Credential,
        env: &Environment,
    ) -> Result<Self, Problem> {
        let driver = match kind {
            DriverKind::GitHub => Some(Driver::GitHub(GitHub::new(&registry, credential, env)?)),
            DriverKind::DockerHub => Some(Driver::DockerHub(DockerHub::new(&registry, credential, env)?)),
            DriverKind::Distribution => Some(Driver::Distribution),
            DriverKind::None => None,
        };
        Ok(Self { registry, kind, driver })
    }

    /// Whether anything is ever removed here.
    pub fn is_cleaned(&self) -> bool {
        self.driver.is_some()
    }

    /// Removes what the records name and no tag reaches. Errors are in the report.
    pub async fn clean(&self, task: Task<'_>) -> Report {
        self.report(async |driver, report| {
            let Task { recorded, known, moved, dry_run } = task;
            let mut scanner = Scanner::new(&self.registry, driver, recorded);
            scanner.moved = moved.map(|(tag, list)| (tag.clone(), list.digest.clone()));
            for manifest in known.into_iter().chain(moved.map(|(_, list)| list.clone())) {
                scanner.put(manifest)?;
            }
            let graph = scanner.graph().await?;
            let decision = decide(&graph, &scanner.recorded)?;
            report.items = decision.items;
            if dry_run { Ok(()) } else { sweep(scanner, graph, decision.removals, true, report).await }
        })
        .await
    }

    /// Removes the expired steps of a layer cache. Errors are in the report.
    pub async fn prune(&self, pruning: &Pruning) -> Report {
        self.report(async |driver, report| {
            let mut scanner = Scanner::new(&self.registry, driver, Vec::new());
            let (graph, removals) = expired(&mut scanner, pruning, report).await?;
            // A build runs a step again that it does not find, so one scan is enough for all deletions.
            if pruning.dry_run { Ok(()) } else { sweep(scanner, graph, removals, false, report).await }
        })
        .await
    }

    /// A report of `work`, which is empty where nothing is ever removed.
    async fn report(&self, work: impl AsyncFnOnce(&Driver, &mut Report) -> Result<(), Problem>) -> Report {
        let mut report = Report::new(&self.registry.name, &self.registry.repository, self.kind);
        if let Some(driver) = &self.driver
            && let Err(problem) = work(driver, &mut report).await
        {
            report.problem = Some(problem);
        }
        report
    }

    /// How hard it is to remove a tag that is new here: more than 0, which is a tag that need not be removed.
    pub fn hard_to_untag(&self) -> u8 {
        match self.kind {
            DriverKind::DockerHub => 1,
            DriverKind::Distribution => 2,
            // Packages are listed late, and the last tagged version is never deleted.
            DriverKind::GitHub => 3,
            DriverKind::None => u8::MAX - 1,
        }
    }

    /// Removes a tag that this run has set to `list`, and nothing else. Where only the deletion of a manifest removes a
    /// tag, the tag is first set to a copy of the list that differs by a line end, so no other tag points at that manifest.
    ///
    /// # Errors
    /// When the registry fails or keeps the tag.
    pub async fn untag(&self, tag: &Tag, list: &RawManifest) -> Result<(), Problem> {
        // What this run itself has put there may be deleted even where nothing is cleaned up.
        let driver = self.driver.as_ref().unwrap_or(&Driver::Distribution);
        let registry = &self.registry;
        if driver.delete_tag(registry, tag).await?.is_some() {
            return Ok(());
        }
        let copy = RawManifest::new(&list.media_type, [&list.bytes[..], b"\n"].concat());
        registry.put_manifest(Name::Tag(tag), &copy).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            driver.list(registry, &HashSet::from([copy.digest.clone()])).await?;
            match driver.delete(registry, &copy.digest, slice::from_ref(tag), None, async || Ok(None)).await? {
                Deletion::Deleted | Deletion::Absent => return Ok(()),
                Deletion::NotListed if attempt < LIST_ATTEMPTS_MAX => {
                    tokio::time::sleep(registry.backoff(attempt)).await;
                }
                kept => return Err(Problem::new(kept.to_string())),
            }
        }
    }

    /// Removes a floating tag right before it is set anew, with the list if no other tag reaches that.
    ///
    /// # Errors
    /// When the registry fails. The tag is unchanged then.
    pub async fn vacate(&self, tag: &Tag, list: &RawManifest) -> Result<(), Problem> {
        let Some(driver) = &self.driver else { return Ok(()) };
        let mut scanner = Scanner::new(&self.registry, driver, vec![list.digest.clone()]);
        scanner.put(list.clone())?;
        let mut graph = scanner.graph().await?;
        // It goes with the list, so it does not keep it.
        graph.tags.remove(tag);
        let decision = decide(&graph, &scanner.recorded)?;
        let is_deleted = driver.delete_tag(&self.registry, tag).await?.is_some();
        // A list that another tag reaches is kept, and so is this tag, until it is moved.
        if !is_deleted && decision.removals.contains(&list.digest) {
            driver.delete(&self.registry, &list.digest, slice::from_ref(tag), None, async || Ok(None)).await?;
        }
        Ok(())
    }
}
