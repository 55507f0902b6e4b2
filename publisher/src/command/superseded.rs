//! The last step of a publish that moves a floating tag: what the tag pointed at before is removed.
//!
//! The image is published by then, and whatever goes wrong here changes nothing about that: it is a warning, the more so
//! where a permission is missing. Releases and manual builds remove nothing, ever.

use std::sync::Arc;

use futures::future::join_all;

use super::{connect::credential, session::Session};
use crate::{
    clean::{CleanError, Cleaner, Outcome, Problem, Report, Task},
    commit::Mover,
    config::Cleanup,
    event::{Event, Events},
    oci::{Digest, RawManifest, Tag},
    registry::Registry,
};

/// The clean-up of a run.
pub(super) struct Superseded<'a> {
    tag: &'a Tag,
    list: &'a RawManifest,
    order: Cleanup,
    /// Those that are cleaned, each with its place among the registries.
    sites: Vec<(usize, &'a Cleaner)>,
    /// How many registries there are.
    registries: usize,
    events: Events,
}

/// The registries with the interfaces by which something is removed there; nothing where that cannot be had.
pub(super) async fn open_sites(session: &Session, registries: &[Arc<Registry>]) -> Vec<Option<Cleaner>> {
    let open = async |(registry, config): (&Arc<Registry>, _)| {
        let config: &crate::config::RegistryConfig = config;
        let opened = async {
            let credential = credential(&session.environment, config).await.map_err(|error| error.chain())?;
            Cleaner::new(Arc::clone(registry), config.driver, &credential, &session.environment)
                .map_err(|error| Problem::from(&error).causes)
        };
        let causes = match opened.await {
            Ok(site) => return Some(site),
            Err(causes) => causes.join(": "),
        };
        let warning = format!("{}: superseded images stay: {causes}", registry.name());
        session.events().event(Event::Warning(warning));
        None
    };
    join_all(registries.iter().zip(&session.config.registries).map(open)).await
}

impl<'a> Superseded<'a> {
    /// Prepares to clean up after the tag, if this run is to.
    pub(super) fn new(session: &'a Session, sites: &'a [Option<Cleaner>], list: &'a RawManifest) -> Option<Self> {
        let order = session.config.cleanup;
        if order == Cleanup::Off || !session.plan.floating() {
            return None;
        }
        let (events, registries) = (session.events(), sites.len());
        let (cleaned, others): (Vec<_>, Vec<_>) = sites
            .iter()
            .enumerate()
            .filter_map(|(at, site)| Some((at, site.as_ref()?)))
            .partition(|(_, site)| site.is_cleaned());
        for (_, site) in others {
            events.event(Event::Note(format!(
                "{}: superseded images stay, nothing says how they are removed there; see `driver`",
                site.registry().name()
            )));
        }
        Some(Self { tag: &session.plan.tag, list, order, sites: cleaned, registries, events })
    }

    /// In the order `before`: takes the tag away right before it is set anew. Where that cannot be done, the tag is moved
    /// as ever, and the old image goes after it.
    pub(super) async fn before(&self, mover: &Mover<'_>) {
        if self.order != Cleanup::Before {
            return;
        }
        let vacate = async |(at, site): &(usize, &Cleaner)| {
            let Some(previous) = mover.before(*at).filter(|it| it.digest != self.list.digest) else { return };
            if let Err(error) = site.vacate(self.tag, previous).await {
                self.warn(site, &error);
            }
        };
        join_all(self.sites.iter().map(vacate)).await;
    }

    /// Removes on every registry what the tag pointed at there before.
    pub(super) async fn after(&self, mover: &Mover<'_>) -> Vec<Report> {
        let absent = self.sites.iter().filter(|(at, _)| mover.before(*at).is_none());
        let absent: Vec<_> = absent.map(|(_, site)| site.registry().name()).collect();
        if !absent.is_empty() {
            let (tag, names) = (self.tag, absent.join(", "));
            self.events.event(Event::Warning(format!("{tag} was not there before on {names}: nothing to clean up")));
        }
        // What the tag pointed at on another registry is superseded here too: a run that was killed between two registries
        // has staged it here. So is what another run set meanwhile and this one has overwritten.
        let superseded = (0..self.registries).filter_map(|at| mover.before(at)).map(|it| &it.digest);
        let superseded = superseded.chain(mover.overwritten()).filter(|digest| **digest != self.list.digest);
        let superseded: Vec<Digest> = superseded.cloned().collect();
        let clean = async |(at, site): &(usize, &Cleaner)| {
            let previous = mover.before(*at).filter(|it| it.digest != self.list.digest);
            let recorded: Vec<Digest> =
                previous.map(|it| it.digest.clone()).into_iter().chain(superseded.clone()).collect();
            let named = recorded.first()?.clone();
            let task = Task {
                recorded,
                known: previous.cloned().into_iter().collect(),
                moved: Some((self.tag, self.list)),
                dry_run: false,
            };
            let report = site.clean(task).await;
            self.tell(&report, &named);
            Some(report)
        };
        join_all(self.sites.iter().map(clean)).await.into_iter().flatten().collect()
    }

    fn tell(&self, report: &Report, previous: &Digest) {
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
            previous
        )));
    }

    fn warn(&self, site: &Cleaner, error: &CleanError) {
        let causes = Problem::from(error).causes.join(": ");
        self.events.event(Event::Warning(format!(
            "{}: {} was not taken away first: {causes}",
            site.registry().name(),
            self.tag
        )));
    }
}
