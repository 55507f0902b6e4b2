//! Remembers what passes by on its way to a screen: the durations and warnings that the result names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    outcome::{Timing, milliseconds},
    wording,
};
use crate::event::{Event, Events, Reporter};

/// A reporter before another.
pub struct Tally {
    inner: Events,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    timings: Vec<Timing>,
    warnings: Vec<String>,
}

impl Tally {
    /// Passes everything on to `inner`.
    pub fn new(inner: Events) -> Arc<Self> {
        Arc::new(Self { inner, seen: Mutex::default() })
    }

    /// How long each phase took that ended well, in the order in which they ended.
    pub fn timings(&self) -> Vec<Timing> {
        self.seen().timings.clone()
    }

    /// The warnings so far, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.seen().warnings.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Tally {
    fn event(&self, event: Event) {
        match &event {
            Event::PhaseFinished(phase, took) => self.seen().timings.push(Timing {
                phase: wording::phase_name(phase).into(),
                platform: wording::phase_platform(phase).map(ToString::to_string),
                milliseconds: milliseconds(*took),
            }),
            Event::Warning(warning) => self.seen().warnings.push(warning.clone()),
            _ => {}
        }
        self.inner.event(event);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        event::Phase,
        report::{
            Plain,
            terminal::Style,
            testing::{Buffer, arm64},
        },
    };

    #[test]
    fn what_passes_is_counted_and_passed_on() {
        let buffer = Buffer::default();
        let tally = Tally::new(Arc::new(Plain::new(buffer.writer(), Style::Plain)));
        tally.event(Event::PhaseFinished(Phase::Stage(arm64()), Duration::from_millis(1234)));
        tally.event(Event::PhaseFinished(Phase::ReadBack, Duration::from_secs(1)));
        tally.event(Event::Warning("emulated".into()));

        let timing = |phase: &str, platform: Option<&str>, milliseconds| Timing {
            phase: phase.into(),
            platform: platform.map(Into::into),
            milliseconds,
        };
        assert_eq!(tally.timings(), [timing("stage", Some("linux/arm64"), 1234), timing("read_back", None, 1000)]);
        assert_eq!(tally.warnings(), ["emulated"]);
        assert_eq!(buffer.text().lines().count(), 3);
    }
}
