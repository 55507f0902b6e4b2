//! The last step of a publish that moves a floating tag: what the tag pointed at before is removed.
//!
//! The image is published by then, and whatever goes wrong here changes nothing about that: it is a warning, the more so
//! where a permission is missing. Releases and manual builds remove nothing, ever.

use std::sync::Arc;

use futures::future::join_all;

use super::{connect::credential, session::Session};
use crate::{
    clean::{CleanError, Outcome, Problem, Report, Site, Task},
    commit::Journal,
    config::Cleanup,
    event::{Event, Events},
    oci::{RawManifest, Tag},
    registry::Registry,
};

/// The clean-up of a run.
pub(super) struct Superseded<'a> {
    tag: &'a Tag,
    list: &'a RawManifest,
    order: Cleanup,
    /// Those that are cleaned, each with its place among the registries.
    sites: Vec<(usize, Site)>,
    /// How many registries there are.
    registries: usize,
    events: Events,
}

impl<'a> Superseded<'a> {
    /// Prepares to clean up after `tag`, if this run is to.
    pub(super) async fn open(
        session: &'a Session,
        registries: &[Arc<Registry>],
        list: &'a RawManifest,
    ) -> Option<Superseded<'a>> {
        let order = session.config.cleanup;
        if order == Cleanup::Off || !session.plan.floating() {
            return None;
        }
        let events = session.events();
        let mut sites = Vec::new();
        for (at, (registry, config)) in registries.iter().zip(&session.config.registries).enumerate() {
            let opened = async {
                let credential = credential(&session.environment, config).await.map_err(|error| error.chain())?;
                Site::new(Arc::clone(registry), config.driver, &credential, &session.environment)
                    .map_err(|error| Problem::from(&error).causes)
            };
            match opened.await {
                Ok(site) if site.is_cleaned() => sites.push((at, site)),
                Ok(_) => events.event(Event::Note(format!(
                    "{}: superseded images stay, nothing says how they are removed there; see `driver`",
                    registry.name()
                ))),
                Err(causes) => events.event(Event::Warning(format!(
                    "{}: superseded images stay: {}",
                    registry.name(),
                    causes.join(": ")
                ))),
            }
        }
        Some(Superseded { tag: &session.plan.tag, list, order, sites, registries: registries.len(), events })
    }

    /// In the order `before`: takes the tag away right before it is set anew. Where that cannot be done, the tag is moved
    /// as ever, and the old image goes after it.
    pub(super) async fn before(&self, journal: &Journal) {
        if self.order != Cleanup::Before {
            return;
        }
        let vacate = async |(at, site): &(usize, Site)| {
            let Some(previous) = journal.before(*at).filter(|it| it.digest != self.list.digest) else { return };
            if let Err(error) = site.vacate(self.tag, previous).await {
                self.warn(site, &error);
            }
        };
        join_all(self.sites.iter().map(vacate)).await;
    }

    /// Removes on every registry what the tag pointed at there before.
    pub(super) async fn after(&self, journal: &Journal) -> Vec<Report> {
        let absent = self.sites.iter().filter(|(at, _)| journal.before(*at).is_none());
        let absent: Vec<_> = absent.map(|(_, site)| site.registry().name()).collect();
        if !absent.is_empty() {
            let (tag, names) = (self.tag, absent.join(", "));
            self.events.event(Event::Warning(format!("{tag} was not there before on {names}: nothing to clean up")));
        }
        let clean = async |(at, site): &(usize, Site)| {
            let previous = journal.before(*at).filter(|it| it.digest != self.list.digest)?;
            // What the tag pointed at on another registry is superseded here too: a run that was killed between two
            // registries has staged it here.
            let everywhere = (0..self.registries).filter_map(|at| journal.before(at)).map(|it| it.digest.clone());
            let superseded = std::iter::once(previous.digest.clone()).chain(everywhere);
            let task = Task {
                recorded: superseded.filter(|digest| *digest != self.list.digest).collect(),
                known: vec![previous.clone()],
                moved: Some((self.tag, self.list)),
                dry_run: false,
            };
            let report = site.clean(task).await;
            self.tell(&report, previous);
            Some(report)
        };
        join_all(self.sites.iter().map(clean)).await.into_iter().flatten().collect()
    }

    fn tell(&self, report: &Report, previous: &RawManifest) {
        let Report { registry, .. } = report;
        if report.count(Outcome::Removed) > 0 {
            self.events.event(Event::Note(format!("superseded image on {}", report.line())));
        }
        for warning in &report.warnings {
            self.events.event(Event::Warning(format!("{registry}: {warning}")));
        }
        let Some(problem) = &report.problem else { return };
        let what = if problem.denied { "may not be removed" } else { "could not be removed" };
        self.events.event(Event::Warning(format!(
            "{registry}: the image that {} pointed at before {what}: {}; when that is mended: publisher clean --digest {}",
            self.tag,
            problem.causes.join(": "),
            previous.digest
        )));
    }

    fn warn(&self, site: &Site, error: &CleanError) {
        let causes = Problem::from(error).causes.join(": ");
        self.events.event(Event::Warning(format!(
            "{}: {} was not taken away first: {causes}",
            site.registry().name(),
            self.tag
        )));
    }
}
