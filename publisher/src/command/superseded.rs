//! The last step of a publish that moves a floating tag: the image that the tag pointed at before is removed.
//!
//! The image is published by then, and no error here changes that: it is a warning, in particular a missing permission.
//! Releases and manual builds remove nothing, ever.

use std::sync::Arc;

use futures::future::join_all;

use super::run::Run;
use crate::{
    clean::{Cleaner, Outcome, Report, Task},
    commit::Mover,
    config::{Cleanup, RegistryConfig},
    exit::Failure,
    oci::{Digest, RawManifest},
    registry::Registry,
};

/// The clean-up of a run.
pub(super) struct Superseded<'a> {
    run: &'a Run,
    list: &'a RawManifest,
    /// One for each registry; none where that could not be set up.
    cleaners: &'a [Option<Cleaner>],
}

/// The registries with the interfaces through which images are removed there; none where that cannot be set up.
pub(super) async fn open_cleaners(run: &Run, registries: &[Arc<Registry>]) -> Vec<Option<Cleaner>> {
    let open = async |(registry, config): (&Arc<Registry>, &RegistryConfig)| {
        let opened = run.connector.cleaner(registry, config).await;
        let causes = |failure: Failure| failure.chain().join(": ");
        let warn = |failure| run.warn(format!("{}: superseded images stay: {}", config.name, causes(failure)));
        opened.map_err(warn).ok()
    };
    join_all(registries.iter().zip(&run.config.registries).map(open)).await
}

impl<'a> Superseded<'a> {
    /// Prepares to clean up after the tag, if this run is to.
    pub(super) fn new(run: &'a Run, cleaners: &'a [Option<Cleaner>], list: &'a RawManifest) -> Option<Self> {
        if run.config.cleanup == Cleanup::Off || !run.plan.floating() {
            return None;
        }
        for cleaner in cleaners.iter().flatten().filter(|cleaner| !cleaner.is_cleaned()) {
            let name = &cleaner.registry.name;
            run.note(format!("{name}: superseded images stay, nothing says how they are removed there; see `driver`"));
        }
        Some(Self { run, list, cleaners })
    }

    /// In the order `before`: takes the tag away right before it is set anew. Where that fails, the tag is moved as in the
    /// order `after`, and the old image is removed after it.
    pub(super) async fn before(&self, mover: &Mover<'_>) {
        if self.run.config.cleanup != Cleanup::Before {
            return;
        }
        let tag = &self.run.plan.tag;
        let vacate = async |(at, cleaner): (usize, &Cleaner)| {
            let Some(previous) = self.previous(mover, at) else { return };
            if let Err(problem) = cleaner.vacate(tag, previous).await {
                let name = &cleaner.registry.name;
                self.run.warn(format!("{name}: {tag} was not taken away first: {problem}"));
            }
        };
        join_all(self.cleaned().map(vacate)).await;
    }

    /// Removes on every registry the image that the tag pointed at there before.
    pub(super) async fn after(&self, mover: &Mover<'_>) -> Vec<Report> {
        let tag = &self.run.plan.tag;
        let absent = self.cleaned().filter(|(at, _)| mover.before(*at).is_none());
        let absent: Vec<_> = absent.map(|(_, cleaner)| cleaner.registry.name.as_str()).collect();
        if !absent.is_empty() {
            self.run.warn(format!("{tag} was not there before on {}: nothing to clean up", absent.join(", ")));
        }
        // What the tag pointed at on another registry is superseded here too: a run that was killed between two registries
        // has staged it here. So is what another run set meanwhile and this one has overwritten.
        let before =
            (0..self.cleaners.len()).filter_map(|at| self.previous(mover, at)).map(|manifest| &manifest.digest);
        let overwritten = mover.overwritten.iter().filter(|digest| **digest != self.list.digest);
        let superseded: Vec<Digest> = before.chain(overwritten).cloned().collect();
        let clean = async |(at, cleaner): (usize, &Cleaner)| {
            let previous = self.previous(mover, at);
            let first = previous.map(|manifest| &manifest.digest).or(superseded.first())?.clone();
            let task = Task {
                recorded: superseded.clone(),
                known: previous.cloned().into_iter().collect(),
                moved: Some((tag, self.list)),
                dry_run: false,
            };
            let report = cleaner.clean(task).await;
            self.announce(&report, &first);
            Some(report)
        };
        join_all(self.cleaned().map(clean)).await.into_iter().flatten().collect()
    }

    /// The registries that are cleaned, each with its index.
    fn cleaned(&self) -> impl Iterator<Item = (usize, &'a Cleaner)> {
        let cleaners = self.cleaners.iter().enumerate().filter_map(|(at, cleaner)| Some((at, cleaner.as_ref()?)));
        cleaners.filter(|(_, cleaner)| cleaner.is_cleaned())
    }

    /// What the tag pointed at before on a registry, if that was another list.
    fn previous<'m>(&self, mover: &'m Mover<'_>, at: usize) -> Option<&'m RawManifest> {
        mover.before(at).filter(|manifest| manifest.digest != self.list.digest)
    }

    fn announce(&self, report: &Report, previous: &Digest) {
        let Report { registry, .. } = report;
        if report.count(Outcome::Removed) > 0 {
            self.run.note(format!("superseded image on {}", report.line()));
        }
        for warning in &report.warnings {
            self.run.warn(format!("{registry}: {warning}"));
        }
        let Some(problem) = &report.problem else { return };
        let what = if problem.denied { "may not be removed" } else { "could not be removed" };
        self.run.warn(format!(
            "{registry}: the image that {} pointed at before {what}: {problem}; when that is fixed: publisher clean --digest {previous}",
            self.run.plan.tag,
        ));
    }
}
