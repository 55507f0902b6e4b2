//! What a run shows on stderr while it works, and what is kept of it for the result.

use std::{
    io::{IsTerminal as _, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::ProgressDrawTarget;

use super::{
    bars::Bars,
    log::Log,
    outcome::{Timing, milliseconds},
};
use crate::{
    environment::Environment,
    event::{Event, Reporter},
    exit::Failure,
};

/// How often bars are drawn, per second: often enough to move, seldom enough for a slow line.
const DRAWS_PER_SECOND: u8 = 10;

/// Shows a run on stderr, and keeps the durations and warnings that the result names.
pub struct Screen(Mutex<State>);

struct State {
    display: Display,
    timings: Vec<Timing>,
    warnings: Vec<String>,
}

enum Display {
    Bars(Bars),
    Log(Log),
}

impl Screen {
    /// The screen for this run: bars where stderr is a terminal that understands cursor movement, else a log.
    pub fn on_stderr(environment: &Environment) -> Arc<Self> {
        let out = Box::new(anstream::stderr());
        let is_drawable = std::io::stderr().is_terminal() && environment.get("TERM") != Some("dumb");
        // The runner reads commands from stdout and stderr alike, but through two pipes whose order among each other is
        // not kept. On stderr alone lines stay in order, and stdout stays clean for `--output json`.
        Arc::new(Self::new(if is_actions(environment) || !is_drawable {
            Display::Log(Log::new(out, is_actions(environment)))
        } else {
            Display::Bars(Bars::new(out, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)))
        }))
    }

    fn new(display: Display) -> Self {
        Self(Mutex::new(State { display, timings: Vec::new(), warnings: Vec::new() }))
    }

    /// The run is over: removes the bars, writes what was held back and, where it failed, the reason.
    ///
    /// Must be called once, after the last event; before that the output of a failed build may be held back.
    pub fn end(&self, failure: Option<&Failure>) {
        match &mut self.state().display {
            Display::Bars(bars) => bars.end(failure),
            Display::Log(log) => log.end(failure),
        }
    }

    /// How long each phase took that succeeded, in the order in which they ended, and the warnings so far, in order.
    pub fn kept(&self) -> (Vec<Timing>, Vec<String>) {
        let state = self.state();
        (state.timings.clone(), state.warnings.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Screen {
    fn event(&self, event: Event) {
        let mut state = self.state();
        match &event {
            Event::PhaseFinished(phase, took) => state.timings.push(Timing {
                phase: phase.name().into(),
                platform: phase.platform().map(ToString::to_string),
                milliseconds: milliseconds(*took),
            }),
            Event::Warning(warning) => state.warnings.push(warning.clone()),
            _ => {}
        }
        match &mut state.display {
            Display::Bars(bars) => bars.event(event),
            Display::Log(log) => log.event(&event),
        }
    }
}

/// Whether this is a step of a GitHub Actions job.
pub fn is_actions(environment: &Environment) -> bool {
    environment.get("GITHUB_ACTIONS") == Some("true")
}

/// Writes text at once, so that lines of several processes on one stderr stay whole. What cannot be written is dropped: a
/// closed pipe must not stop a publish half-way.
pub(super) fn write(out: &mut dyn Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        event::Phase,
        report::tests::{Buffer, arm64},
    };

    #[test]
    fn durations_and_warnings_are_kept_and_shown() {
        let buffer = Buffer::default();
        let screen = Screen::new(Display::Log(Log::new(buffer.writer(), false)));
        screen.event(Event::PhaseFinished(Phase::Stage(arm64()), Duration::from_millis(1234)));
        screen.event(Event::PhaseFinished(Phase::ReadBack, Duration::from_secs(1)));
        screen.event(Event::Warning("emulated".into()));

        let timing = |phase: &str, platform: Option<&str>, milliseconds| Timing {
            phase: phase.into(),
            platform: platform.map(Into::into),
            milliseconds,
        };
        let (timings, warnings) = screen.kept();
        assert_eq!(timings, [timing("stage", Some("linux/arm64"), 1234), timing("read_back", None, 1000)]);
        assert_eq!(warnings, ["emulated"]);
        assert_eq!(buffer.text().lines().count(), 3);
    }

    #[rstest::rstest]
    #[case(&[("GITHUB_ACTIONS", "true")], true)]
    #[case(&[("GITHUB_ACTIONS", "false")], false)]
    #[case(&[], false)]
    fn a_step_of_github_actions_is_recognised(#[case] variables: &[(&str, &str)], #[case] expected: bool) {
        assert_eq!(is_actions(&variables.iter().copied().collect()), expected);
    }
}
