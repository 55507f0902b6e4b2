//! A log of lines. The lines of a phase stand together; in a GitHub Actions job they form a group that can be folded,
//! and warnings and failures are annotations.
//!
//! Platforms are built in parallel, but groups cannot interleave. The first phase that runs is written live; the lines of
//! phases beside it wait. When it ends, those that have ended meanwhile are written whole, and the next one is live.
//!
//! The rules for workflow commands are the runner's (`ActionCommand.cs`): a line whose first visible characters are `::`
//! may be a command, and so may, from the protocol before that, a line that holds `##[` *anywhere*. Both are made harmless
//! in all text from outside. `::stop-commands::` would do the first half, but it is state: it would have to be lifted for
//! each warning of another task, and the log viewer would still take a raw `##[endgroup]` for the end of the group.

use std::{io::Write, mem};

use super::{message::message, sanitize, screen::write, text};
use crate::{
    event::{Event, Phase},
    exit::Failure,
};

/// A log, with workflow commands in a GitHub Actions job.
pub(super) struct Log {
    out: Box<dyn Write + Send>,
    is_actions: bool,
    /// The phases of a platform that run, or have ended and wait to be written; the first one is live.
    sections: Vec<Section>,
}

/// A phase with its text that is not written yet.
struct Section {
    phase: Phase,
    text: String,
    has_ended: bool,
}

impl Log {
    pub(super) fn new(out: Box<dyn Write + Send>, is_actions: bool) -> Self {
        Self { out, is_actions, sections: Vec::new() }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted(phase) if phase.platform().is_some() => {
                let text = format!("{}{phase}\n", self.command("::group::"));
                self.sections.push(Section { phase: phase.clone(), text, has_ended: false });
            }
            Event::Notice(text) if self.is_actions => self.annotate("notice", text),
            Event::Warning(text) if self.is_actions => self.annotate("warning", text),
            _ => {
                let Some(line) = message(event).map(|line| self.line(&line)) else { return };
                let phase = match event {
                    Event::PhaseFinished(phase, _) => Some(phase.clone()),
                    Event::BuildLine(platform, _) => Some(Phase::Build(platform.clone())),
                    Event::LayerKnown { platform, .. } | Event::BlobPushed { platform, .. } => {
                        Some(Phase::Stage(platform.clone()))
                    }
                    _ => None,
                };
                let end = self.command("::endgroup::\n");
                match self.sections.iter_mut().find(|section| Some(&section.phase) == phase.as_ref()) {
                    Some(section) if matches!(event, Event::PhaseFinished(..)) => {
                        section.text.extend([end, &line]);
                        section.has_ended = true;
                    }
                    Some(section) => section.text.push_str(&line),
                    None => write(&mut self.out, &line),
                }
            }
        }
        self.write_live();
    }

    /// Writes what is held back; among it is the phase that failed, if one did.
    pub(super) fn end(&mut self, failure: Option<&Failure>) {
        let end = self.command("::endgroup::\n");
        for Section { phase, text, .. } in self.sections.drain(..) {
            write(&mut self.out, &format!("{text}{end}{phase}: not finished\n"));
        }
        match failure {
            Some(failure) if self.is_actions => {
                let text = sanitize::without_escapes(&text::failure(failure));
                let text = data_escaped(text.trim_start_matches("error: ").trim_end());
                write(&mut self.out, &format!("::error title=publisher::{text}\n"));
            }
            Some(failure) => write(&mut self.out, &text::failure(failure)),
            None => {}
        }
    }

    /// Writes the text of the live section. When it has ended, all that have ended are written, and the next one is live.
    fn write_live(&mut self) {
        if self.sections.first().is_some_and(|live| live.has_ended) {
            for ended in self.sections.extract_if(.., |section| section.has_ended) {
                write(&mut self.out, &ended.text);
            }
        }
        if let Some(live) = self.sections.first_mut() {
            write(&mut self.out, &mem::take(&mut live.text));
        }
    }

    /// A workflow command, where there are such.
    fn command(&self, command: &'static str) -> &'static str {
        if self.is_actions { command } else { "" }
    }

    /// A line that the runner does not take for a command.
    fn line(&self, text: &str) -> String {
        if self.is_actions { harmless(text) + "\n" } else { format!("{text}\n") }
    }

    fn annotate(&mut self, command: &str, text: &str) {
        let text = data_escaped(&sanitize::lines(text).join("\n"));
        write(&mut self.out, &format!("::{command}::{text}\n"));
    }
}

/// One line of text from outside that the runner cannot take for a command: a backslash breaks what would make it one.
fn harmless(line: &str) -> String {
    // The runner ignores leading white space, and characters that its collation ignores.
    let visible = line.trim_start_matches(|c: char| !c.is_ascii_graphic());
    let begin = if visible.starts_with("::") { "\\" } else { "" };
    format!("{begin}{}", line.replace("##[", "##\\["))
}

/// The data of a command, which may have several lines. The percent sign first, or the others' would be escaped again.
fn data_escaped(data: &str) -> String {
    data.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        event::BlobOutcome,
        report::{
            outcome::tests::failure,
            tests::{Buffer, amd64, arm64, digest},
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

    fn logged(events: impl IntoIterator<Item = Event>, end: impl FnOnce(&mut Log)) -> String {
        written(true, events, end)
    }

    fn written(is_actions: bool, events: impl IntoIterator<Item = Event>, end: impl FnOnce(&mut Log)) -> String {
        let buffer = Buffer::default();
        let mut log = Log::new(buffer.writer(), is_actions);
        events.into_iter().for_each(|event| log.event(&event));
        end(&mut log);
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
        build linux/amd64: 2.0 s
        ::group::build linux/arm64
        arm64 1
        arm64 2
        ::endgroup::
        build linux/arm64: 2 m 03 s
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
        build linux/amd64: 2.0 s
        ::group::stage linux/arm64
        ::endgroup::
        stage linux/arm64: 1.0 s
        ::group::build linux/arm64
        arm64 1
        arm64 2
        ");
    }

    #[test]
    fn staging_says_what_became_of_each_layer() {
        let pushed = |outcome| Event::BlobPushed {
            platform: amd64(),
            registry: "ghcr".into(),
            digest: digest("layer"),
            size: 1_200_000,
            outcome,
        };
        let (stage, list) = (Phase::Stage(amd64()), Phase::List);
        let events = [
            Event::PhaseStarted(stage.clone()),
            Event::LayerKnown { platform: amd64(), diff_id: digest("known"), size: 30_000_000 },
            Event::Compressed { platform: amd64(), diff_id: digest("diff") },
            pushed(BlobOutcome::Present),
            pushed(BlobOutcome::Mounted),
            Event::Retry {
                registry: "ghcr".into(),
                operation: "blob upload".into(),
                attempt: 1,
                attempts: 3,
                wait: took(2),
                cause: "503\n::error::x".into(),
            },
            pushed(BlobOutcome::Uploaded),
            Event::PhaseFinished(stage, took(3)),
            Event::PhaseStarted(list.clone()),
            Event::PhaseFinished(list, took(1)),
            Event::Note("the old list stays".into()),
        ];
        insta::assert_snapshot!(after(events, None), @"
        ::group::stage linux/amd64
        layer 7117fff2d0fd is on every registry, 30.00 MB not sent
        ghcr: dac1d7cfa950 already there (1.20 MB)
        ghcr: dac1d7cfa950 mounted (1.20 MB)
        ghcr: blob upload failed (attempt 1 of 3), again in 2.0 s: 503 ::error::x
        ghcr: dac1d7cfa950 uploaded (1.20 MB)
        ::endgroup::
        stage linux/amd64: 3.0 s
        stage the list: 1.0 s
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
        build linux/amd64: not finished
        ::group::build linux/arm64
        exit status 127
        ::endgroup::
        build linux/arm64: not finished
        ::error title=publisher::failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts%0A  caused by: the registry answered 503 Service Unavailable%0A  caused by: unavailable%0Aleft: nothing was published%0Ahint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn a_warning_keeps_its_lines_in_one_annotation() {
        assert_eq!(during([Event::Warning("50% of it\n::error::x".into())]), "::warning::50%25 of it%0A::error::x\n");
        assert_eq!(during([Event::Notice("no check\n::error::x".into())]), "::notice::no check%0A::error::x\n");
    }

    #[test]
    fn another_log_has_sections_without_commands() {
        let (one, two) = (Phase::Build(amd64()), Phase::Build(arm64()));
        let events = [
            Event::PhaseStarted(one.clone()),
            Event::PhaseStarted(two.clone()),
            built("::error::x \u{1b}[32mgreen\u{1b}[0m"),
            Event::BuildLine(arm64(), " 1%\r100%\r".into()),
            Event::Warning("the old list\nstays".into()),
            Event::PhaseFinished(one, took(2)),
            Event::PhaseFinished(two, took(3)),
            Event::PhaseStarted(Phase::Commit),
            Event::PhaseFinished(Phase::Commit, took(1)),
        ];
        let text = written(false, events, |log| log.end(Some(&failure())));
        insta::assert_snapshot!(sanitize::without_escapes(&text), @"
        build linux/amd64
        ::error::x green
        warning: the old list stays
        build linux/amd64: 2.0 s
        build linux/arm64
        100%
        build linux/arm64: 3.0 s
        move the tag: 1.0 s
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[rstest::rstest]
    #[case("STEP 1/2: FROM a::b", "STEP 1/2: FROM a::b")]
    #[case("::error::x", "\\::error::x")]
    #[case("  ::add-mask::x", "\\  ::add-mask::x")]
    #[case("\u{ad}\u{feff}::error::x", "\\\u{ad}\u{feff}::error::x")]
    #[case("text ##[error]x", "text ##\\[error]x")]
    #[case("##[endgroup]", "##\\[endgroup]")]
    fn foreign_text_gives_no_commands(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(harmless(text), shown);
    }
}
