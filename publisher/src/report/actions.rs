//! The log of a GitHub Actions job: what is long stands in groups that are folded, what matters is annotated.
//!
//! Groups cannot interleave: the runner knows one open group. The phase that begins while none is open owns the log and
//! is written live; the lines of phases beside it wait, and each is written as one whole group when the owner ends. The
//! first that has not ended by then is the next owner.

use std::{
    io::Write,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Screen, clean,
    sink::Sink,
    text, wording,
    workflow_command::{annotation, command, harmless},
};
use crate::{
    event::{Event, Phase, Reporter},
    exit::Failure,
};

/// The title of the annotation of a failure.
const TITLE: &str = "publisher";

/// Writes workflow commands and lines between them.
pub struct ActionsLog(Mutex<Log>);

struct Log {
    out: Sink,
    owner: Option<Phase>,
    waiting: Vec<Waiting>,
}

/// A phase beside the owner.
struct Waiting {
    phase: Phase,
    lines: Vec<String>,
    took: Option<Duration>,
}

impl ActionsLog {
    /// A log written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(Log { out: Sink::new(out), owner: None, waiting: Vec::new() }))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for ActionsLog {
    fn event(&self, event: Event) {
        let mut log = self.log();
        match event {
            Event::PhaseStarted(phase) if is_group(&phase) => log.start(phase),
            Event::PhaseFinished(phase, took) => log.finish(&phase, took),
            Event::BuildLine(platform, line) => log.say(&Phase::Build(platform), &clean::line(&line)),
            Event::LayerKnown { platform, diff_id, size } => {
                log.say(&Phase::Stage(platform), &wording::known(&diff_id, size));
            }
            Event::LayerSettled { platform, registry, digest, size, fate } => {
                log.say(&Phase::Stage(platform), &wording::settled(&registry, &digest, size, fate));
            }
            Event::Retry { registry, operation, attempt, attempts, wait, cause } => {
                log.line(&wording::retry(&registry, &operation, (attempt, attempts), wait, &cause));
            }
            Event::Note(note) => log.line(&clean::line(&note)),
            Event::Notice(notice) => log.out.line(&command("notice", &clean::lines(&notice).join("\n"))),
            Event::Warning(warning) => log.out.line(&command("warning", &clean::lines(&warning).join("\n"))),
            Event::PhaseStarted(_) | Event::LayerCompressed { .. } | Event::Uploading { .. } => {}
        }
    }
}

impl Screen for ActionsLog {
    fn end(&self, failure: Option<&Failure>) {
        let mut log = self.log();
        log.end();
        if let Some(failure) = failure {
            let parts = text::explanation(failure).into_iter();
            let lines = parts.map(|(label, text)| if label == text::ERROR { text } else { format!("{label}: {text}") });
            log.out.line(&annotation("error", TITLE, &lines.collect::<Vec<_>>().join("\n")));
        }
    }
}

impl Log {
    fn start(&mut self, phase: Phase) {
        if self.owner.is_none() {
            self.open(&phase);
            self.owner = Some(phase);
        } else {
            self.waiting.push(Waiting { phase, lines: Vec::new(), took: None });
        }
    }

    /// A line that belongs to a phase: kept while the phase waits.
    fn say(&mut self, phase: &Phase, line: &str) {
        match self.waiting.iter_mut().find(|waiting| waiting.phase == *phase) {
            Some(waiting) => waiting.lines.push(line.to_owned()),
            None => self.line(line),
        }
    }

    fn finish(&mut self, phase: &Phase, took: Duration) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.phase == *phase) {
            waiting.took = Some(took);
            return;
        }
        if self.owner.as_ref() == Some(phase) {
            self.owner = None;
            self.close(phase, Some(took));
            self.hand_over();
        } else {
            self.line(&wording::phase_done(phase, took));
        }
    }

    /// Writes the phases that ended meanwhile; the first that has not owns the log from now on.
    fn hand_over(&mut self) {
        let (ended, running): (Vec<_>, Vec<_>) =
            mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.took.is_some());
        for waiting in &ended {
            self.whole(waiting);
        }
        let mut running = running.into_iter();
        if let Some(next) = running.next() {
            self.open(&next.phase);
            for line in &next.lines {
                self.line(line);
            }
            self.owner = Some(next.phase);
        }
        self.waiting = running.collect();
    }

    /// Writes what is still open or waiting; among it is the phase that failed, if one did.
    fn end(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.close(&owner, None);
        }
        for waiting in &mem::take(&mut self.waiting) {
            self.whole(waiting);
        }
    }

    fn whole(&mut self, waiting: &Waiting) {
        self.open(&waiting.phase);
        for line in &waiting.lines {
            self.line(line);
        }
        self.close(&waiting.phase, waiting.took);
    }

    fn open(&mut self, phase: &Phase) {
        self.out.line(&command("group", &wording::phase_title(phase)));
    }

    fn close(&mut self, phase: &Phase, took: Option<Duration>) {
        self.out.line(&command("endgroup", ""));
        self.line(&match took {
            Some(took) => wording::phase_done(phase, took),
            None => format!("{} did not finish", wording::phase_title(phase)),
        });
    }

    /// Writes text that must not be taken for a command.
    fn line(&mut self, text: &str) {
        self.out.line(&harmless(text));
    }
}

/// Whether a phase has enough to say for a group of its own.
fn is_group(phase: &Phase) -> bool {
    wording::phase_platform(phase).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::LayerFate,
        report::{
            outcome::tests::failure,
            testing::{Buffer, amd64, arm64, digest},
        },
    };

    /// What a log holds after some events.
    fn during(events: impl IntoIterator<Item = Event>) -> String {
        logged(events, |_| {})
    }

    /// What a log holds after some events and the end.
    fn after(events: impl IntoIterator<Item = Event>, failure: Option<&Failure>) -> String {
        logged(events, |log| log.end(failure))
    }

    fn logged(events: impl IntoIterator<Item = Event>, end: impl FnOnce(&ActionsLog)) -> String {
        let buffer = Buffer::default();
        let log = ActionsLog::new(buffer.writer());
        events.into_iter().for_each(|event| log.event(event));
        end(&log);
        buffer.text()
    }

    fn built(line: &str) -> Event {
        Event::BuildLine(amd64(), line.into())
    }

    fn took(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_phase_alone_is_written_live() {
        let events = [Event::PhaseStarted(Phase::Build(amd64())), built("STEP 1/2: FROM scratch")];
        assert_eq!(during(events), "::group::build linux/amd64\nSTEP 1/2: FROM scratch\n");
    }

    #[test]
    fn platforms_beside_each_other_do_not_interleave() {
        let (one, two) = (Phase::Build(amd64()), Phase::Build(arm64()));
        let events = [
            Event::PhaseStarted(one.clone()),
            Event::PhaseStarted(two.clone()),
            built("amd64 1"),
            Event::BuildLine(arm64(), "arm64 1".into()),
            Event::Warning("between".into()),
            built("amd64 2"),
            Event::PhaseFinished(one, took(2)),
            Event::BuildLine(arm64(), "arm64 2".into()),
            Event::PhaseFinished(two, took(123)),
        ];
        insta::assert_snapshot!(after(events, None), @"
        ::group::build linux/amd64
        amd64 1
        ::warning::between
        amd64 2
        ::endgroup::
        linux/amd64 built in 2.0 s
        ::group::build linux/arm64
        arm64 1
        arm64 2
        ::endgroup::
        linux/arm64 built in 2 m 03 s
        ");
    }

    #[test]
    fn a_phase_that_ended_while_it_waited_comes_whole_before_one_that_runs() {
        let phases = [Phase::Build(amd64()), Phase::Build(arm64()), Phase::Stage(arm64())];
        let mut events: Vec<_> = phases.iter().cloned().map(Event::PhaseStarted).collect();
        events.extend([
            Event::BuildLine(arm64(), "arm64 1".into()),
            Event::PhaseFinished(phases[2].clone(), took(1)),
            Event::PhaseFinished(phases[0].clone(), took(2)),
            Event::BuildLine(arm64(), "arm64 2".into()),
        ]);
        insta::assert_snapshot!(during(events), @"
        ::group::build linux/amd64
        ::endgroup::
        linux/amd64 built in 2.0 s
        ::group::stage linux/arm64
        ::endgroup::
        linux/arm64 staged in 1.0 s
        ::group::build linux/arm64
        arm64 1
        arm64 2
        ");
    }

    #[test]
    fn staging_says_what_became_of_each_layer() {
        let settled = |fate| Event::LayerSettled {
            platform: amd64(),
            registry: "ghcr".into(),
            digest: digest("layer"),
            size: 1_200_000,
            fate,
        };
        let (stage, list) = (Phase::Stage(amd64()), Phase::List);
        let events = [
            Event::PhaseStarted(stage.clone()),
            Event::LayerKnown { platform: amd64(), diff_id: digest("known"), size: 30_000_000 },
            Event::LayerCompressed { platform: amd64(), diff_id: digest("diff"), read: 9, done: true },
            settled(LayerFate::Present),
            settled(LayerFate::Mounted),
            Event::Retry {
                registry: "ghcr".into(),
                operation: "blob upload".into(),
                attempt: 1,
                attempts: 3,
                wait: took(2),
                cause: "503\n::error::x".into(),
            },
            settled(LayerFate::Uploaded),
            Event::PhaseFinished(stage, took(3)),
            Event::PhaseStarted(list.clone()),
            Event::PhaseFinished(list, took(1)),
            Event::Note("the old list stays".into()),
        ];
        insta::assert_snapshot!(after(events, None), @"
        ::group::stage linux/amd64
        7117fff2d0fd known everywhere, 30.0 MB not sent
        ghcr: dac1d7cfa950 already there (1.2 MB)
        ghcr: dac1d7cfa950 mounted (1.2 MB)
        ghcr: blob upload failed (attempt 1 of 3), again in 2.0 s: 503 ::error::x
        ghcr: dac1d7cfa950 uploaded (1.2 MB)
        ::endgroup::
        linux/amd64 staged in 3.0 s
        list staged in 1.0 s
        the old list stays
        ");
    }

    #[test]
    fn build_output_gives_the_runner_no_commands() {
        let hostile = [
            "::error::pwned",
            "  ::stop-commands::x",
            "harmless\r::add-mask::a",
            "\u{1b}[0m::warning::x\u{1b}[0m",
            "echo ##[endgroup]",
            "::endgroup::",
        ];
        let events = std::iter::once(Event::PhaseStarted(Phase::Build(amd64()))).chain(hostile.map(built));
        insta::assert_snapshot!(during(events), @r"
        ::group::build linux/amd64
        \::error::pwned
        \  ::stop-commands::x
        \::add-mask::a
        \::warning::x
        echo ##\[endgroup]
        \::endgroup::
        ");
    }

    #[test]
    fn a_failure_shows_the_output_of_every_phase_that_did_not_end() {
        let events = [
            Event::PhaseStarted(Phase::Build(amd64())),
            Event::PhaseStarted(Phase::Build(arm64())),
            built("amd64 1"),
            Event::BuildLine(arm64(), "exit status 127".into()),
        ];
        insta::assert_snapshot!(after(events, Some(&failure())), @"
        ::group::build linux/amd64
        amd64 1
        ::endgroup::
        build linux/amd64 did not finish
        ::group::build linux/arm64
        exit status 127
        ::endgroup::
        build linux/arm64 did not finish
        ::error title=publisher::failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts%0Acaused by: the registry answered 503 Service Unavailable%0Acaused by: unavailable%0Aleft: nothing was published%0Ahint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_warning_keeps_its_lines_in_one_annotation() {
        assert_eq!(during([Event::Warning("50% of it\n::error::x".into())]), "::warning::50%25 of it%0A::error::x\n");
        assert_eq!(during([Event::Notice("no check\n::error::x".into())]), "::notice::no check%0A::error::x\n");
    }
}
