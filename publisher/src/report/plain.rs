//! Any log that is neither a terminal nor GitHub's: terse lines, each with the platform or registry that it is about.

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use super::{Screen, clean, settled::Settled, sink::Sink, terminal::Style, text, wording};
use crate::{
    event::{Event, LayerFate, Phase, Reporter},
    exit::Failure,
};

/// Writes lines.
pub struct Plain {
    style: Style,
    log: Mutex<Log>,
}

struct Log {
    out: Sink,
    settled: Settled,
}

impl Plain {
    /// Lines go to `out`.
    pub fn new(out: Box<dyn Write + Send>, style: Style) -> Self {
        Self { style, log: Mutex::new(Log { out: Sink::new(out), settled: Settled::default() }) }
    }
}

impl Reporter for Plain {
    fn event(&self, event: Event) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PhaseStarted(phase) => log.out.line(&wording::phase_title(&phase)),
            Event::PhaseFinished(phase, took) => {
                log.out.line(&self.style.green(&wording::phase_done(&phase, took)));
                if let Phase::Stage(platform) = &phase {
                    let Log { out, settled } = &mut *log;
                    for line in settled.take(platform) {
                        out.line(&line);
                    }
                }
            }
            Event::BuildLine(platform, line) => {
                log.out.line(&format!("{} {}", self.style.dim(&format!("{platform} |")), clean::line(&line)));
            }
            Event::LayerKnown { platform, size, .. } => log.settled.add_known(platform, size),
            Event::LayerSettled { platform, registry, digest, size, fate } => {
                // What was sent took its time and is told at once; the rest is told in the sum at the end.
                if fate == LayerFate::Uploaded {
                    log.out.line(&format!("{platform} {}", wording::settled(&registry, &digest, size, fate)));
                }
                log.settled.add(platform, registry, size, fate);
            }
            Event::Retry { registry, operation, attempt, attempts, wait, cause } => {
                let retry = wording::retry(&registry, &operation, (attempt, attempts), wait, &cause);
                log.out.line(&self.style.yellow(&retry));
            }
            Event::Note(note) | Event::Notice(note) => log.out.line(&clean::line(&note)),
            Event::Warning(warning) => log.out.line(&wording::warning(&warning, self.style)),
            Event::LayerCompressed { .. } | Event::Uploading { .. } => {}
        }
    }
}

impl Screen for Plain {
    fn end(&self, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.out.text(&text::failure(failure, self.style));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{
        outcome::tests::failure,
        testing::{Buffer, amd64, arm64, digest},
    };

    #[test]
    fn every_line_says_what_it_is_about() {
        let settled = |registry: &str, fate| Event::LayerSettled {
            platform: amd64(),
            registry: registry.into(),
            digest: digest("layer"),
            size: 1_200_000,
            fate,
        };
        let buffer = Buffer::default();
        let plain = Plain::new(buffer.writer(), Style::Plain);
        let took = Duration::from_millis(1500);
        for event in [
            Event::PhaseStarted(Phase::Build(amd64())),
            Event::BuildLine(amd64(), "STEP 1/2: FROM scratch".into()),
            Event::BuildLine(arm64(), " 1%\r\u{1b}[32m100%\u{1b}[0m\r".into()),
            Event::PhaseFinished(Phase::Build(amd64()), took),
            Event::PhaseStarted(Phase::Stage(amd64())),
            Event::LayerKnown { platform: amd64(), diff_id: digest("known"), size: 30_000_000 },
            Event::Uploading { platform: amd64(), registry: "hub".into(), digest: digest("layer"), sent: 1, size: 2 },
            settled("hub", LayerFate::Uploaded),
            settled("ghcr", LayerFate::Present),
            Event::Retry {
                registry: "hub".into(),
                operation: "manifest push".into(),
                attempt: 2,
                attempts: 3,
                wait: took,
                cause: "unavailable".into(),
            },
            Event::PhaseFinished(Phase::Stage(amd64()), took),
            Event::Warning("the old list\nstays".into()),
            Event::PhaseFinished(Phase::Commit, took),
        ] {
            plain.event(event);
        }
        plain.end(Some(&failure()));
        insta::assert_snapshot!(buffer.text(), @"
        build linux/amd64
        linux/amd64 | STEP 1/2: FROM scratch
        linux/arm64 | 100%
        linux/amd64 built in 1.5 s
        stage linux/amd64
        linux/amd64 hub: dac1d7cfa950 uploaded (1.2 MB)
        hub: manifest push failed (attempt 2 of 3), again in 1.5 s: unavailable
        linux/amd64 staged in 1.5 s
        linux/amd64: 1 layer known everywhere, 30.0 MB not sent
        linux/amd64 ghcr: 1 already there
        linux/amd64 hub: 1 uploaded (1.2 MB)
        warning: the old list stays
        tag moved in 1.5 s
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_run_that_ends_well_adds_nothing() {
        let buffer = Buffer::default();
        Plain::new(buffer.writer(), Style::Plain).end(None);
        assert_eq!(buffer.text(), "");
    }
}
