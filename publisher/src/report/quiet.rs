//! Beside `--output json`: stdout carries the document alone, and stderr only what a person must see.
//!
//! Warnings are written at once. What a build wrote is kept and written only if that build does not end well: without it
//! nobody could tell why, and with it every good run would be noisy.

use std::{
    collections::{HashMap, VecDeque},
    io::Write,
    sync::{Mutex, PoisonError},
};

use super::{Screen, clean, sink::Sink, terminal::Style, text, wording};
use crate::{
    event::{Event, Phase, Reporter},
    exit::Failure,
    oci::Platform,
};

/// How many of a build's last lines are kept; what failed is at the end.
const KEPT_LINES_MAX: usize = 1000;

/// Writes warnings, and the output of builds that failed.
pub struct Quiet {
    style: Style,
    log: Mutex<Log>,
}

struct Log {
    out: Sink,
    builds: HashMap<Platform, VecDeque<String>>,
}

impl Quiet {
    /// Lines go to `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { style, log: Mutex::new(Log { out: Sink::new(out), builds: HashMap::new() }) }
    }
}

impl Reporter for Quiet {
    fn event(&self, event: Event) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::BuildLine(platform, line) => {
                let lines = log.builds.entry(platform).or_default();
                if lines.len() == KEPT_LINES_MAX {
                    lines.pop_front();
                }
                lines.push_back(clean::line(&line));
            }
            Event::PhaseFinished(Phase::Build(platform), _) => drop(log.builds.remove(&platform)),
            Event::Notice(notice) => log.out.line(&clean::line(&notice)),
            Event::Warning(warning) => log.out.line(&wording::warning(&warning, self.style)),
            _ => {}
        }
    }
}

impl Screen for Quiet {
    fn end(&self, failure: Option<&Failure>) {
        let Some(failure) = failure else { return };
        let Log { out, builds } = &mut *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unfinished: Vec<_> = builds.drain().collect();
        unfinished.sort_unstable();
        for (platform, lines) in unfinished {
            for line in lines {
                out.line(&format!("{platform} | {line}"));
            }
        }
        out.text(&text::failure(failure, self.style));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{
        outcome::tests::failure,
        testing::{Buffer, amd64, arm64},
    };

    fn run(failure: Option<&Failure>) -> String {
        let buffer = Buffer::default();
        let quiet = Quiet::new(buffer.writer(), Style::Plain);
        for event in [
            Event::PhaseStarted(Phase::Build(amd64())),
            Event::BuildLine(amd64(), "fine".into()),
            Event::BuildLine(arm64(), "exec format error".into()),
            Event::PhaseFinished(Phase::Build(amd64()), Duration::ZERO),
            Event::Note("a note".into()),
            Event::Warning("emulated".into()),
        ] {
            quiet.event(event);
        }
        quiet.end(failure);
        buffer.text()
    }

    #[test]
    fn a_good_run_tells_only_its_warnings() {
        assert_eq!(run(None), "warning: emulated\n");
    }

    #[test]
    fn a_failed_run_shows_the_build_that_did_not_end() {
        insta::assert_snapshot!(run(Some(&failure())), @"
        warning: emulated
        linux/arm64 | exec format error
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn the_end_of_a_long_build_is_kept() {
        let buffer = Buffer::default();
        let quiet = Quiet::new(buffer.writer(), Style::Plain);
        (0..=KEPT_LINES_MAX).for_each(|n| quiet.event(Event::BuildLine(amd64(), format!("line {n}"))));
        quiet.end(Some(&failure()));
        assert!(buffer.text().starts_with("linux/amd64 | line 1\n"));
        assert!(buffer.text().contains(&format!("| line {KEPT_LINES_MAX}\n")));
    }
}
