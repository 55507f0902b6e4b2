//! A terminal: a spinner for each phase that runs, a bar for each layer on its way, lines above them that stay.
//!
//! Bars are few on purpose: a screen that scrolls its own bars away shows nothing. Rows beyond the limit wait until
//! others vanish; what is finished vanishes, and when a platform is staged one line a registry says what became of it.

use std::{
    collections::HashMap,
    fmt,
    io::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Screen, clean, settled::Settled, sink::Sink, terminal::Style, text, units, wording};
use crate::{
    event::{Event, Phase, Reporter},
    exit::Failure,
    oci::{Digest, Platform, short},
};

/// How many layers are drawn at once; with the spinners this fits the smallest usual terminal of 24 lines.
const ROWS_MAX: usize = 12;
/// How often a spinner turns.
const SPIN_MS: u64 = 100;
/// A phase that runs.
const PHASE_TEMPLATE: &str = "{spinner} {msg} {elapsed}";
/// A layer whose end is known.
const UPLOAD_TEMPLATE: &str = "  {msg} {bar:24} {prefix}";
/// A layer that is read from podman, which does not say how much there is.
const COMPRESS_TEMPLATE: &str = "  {msg} {prefix}";

/// Draws bars, and writes lines above them.
pub struct Bars {
    screen: MultiProgress,
    style: Style,
    state: Mutex<State>,
}

struct State {
    out: Sink,
    phases: HashMap<Phase, ProgressBar>,
    rows: HashMap<Row, ProgressBar>,
    settled: Settled,
}

/// What a bar stands for.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Row {
    Compressing(Platform, Digest),
    Uploading(Platform, String, Digest),
}

impl Bars {
    /// Bars are drawn on `target`, lines that stay are written to `out`; both must be the same terminal.
    pub fn new(out: Box<dyn Write + Send>, target: ProgressDrawTarget, style: Style) -> Self {
        let state =
            State { out: Sink::new(out), phases: HashMap::new(), rows: HashMap::new(), settled: Settled::default() };
        Self { screen: MultiProgress::with_draw_target(target), style, state: Mutex::new(state) }
    }

    /// Writes a line that stays, above the bars.
    fn line(&self, state: &mut State, text: &str) {
        self.screen.suspend(|| state.out.line(text));
    }

    fn start(&self, state: &mut State, phase: Phase) {
        let bar = self.screen.add(ProgressBar::new_spinner().with_style(style(PHASE_TEMPLATE)));
        bar.set_message(wording::phase_title(&phase));
        bar.enable_steady_tick(Duration::from_millis(SPIN_MS));
        state.phases.insert(phase, bar);
    }

    fn finish(&self, state: &mut State, phase: &Phase, took: Duration) {
        if let Some(bar) = state.phases.remove(phase) {
            self.vanish(&bar);
        }
        let mut lines = vec![format!("{} {}", self.style.green("✓"), wording::phase_done(phase, took))];
        if let Phase::Stage(platform) = phase {
            for (_, bar) in state.rows.extract_if(|row, _| row.platform() == platform) {
                self.vanish(&bar);
            }
            lines.extend(state.settled.take(platform).iter().map(|line| format!("  {}", self.style.dim(line))));
        }
        for line in lines {
            self.line(state, &line);
        }
    }

    /// Moves a layer's bar; it appears when there is room.
    fn advance(&self, state: &mut State, row: Row, position: u64, length: Option<u64>) {
        if !state.rows.contains_key(&row) && state.rows.len() >= ROWS_MAX {
            return;
        }
        let bar = state.rows.entry(row).or_insert_with_key(|row| {
            let template = if length.is_some() { UPLOAD_TEMPLATE } else { COMPRESS_TEMPLATE };
            let bar = self.screen.add(ProgressBar::no_length().with_style(style(template)));
            bar.set_message(row.to_string());
            bar
        });
        if let Some(length) = length {
            bar.set_length(length);
        }
        let of = length.map(|length| format!(" / {}", units::bytes(length))).unwrap_or_default();
        bar.set_prefix(format!("{}{of}", units::bytes(position)));
        bar.set_position(position);
    }

    fn settle(&self, state: &mut State, row: &Row) {
        if let Some(bar) = state.rows.remove(row) {
            self.vanish(&bar);
        }
    }

    fn vanish(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.screen.remove(bar);
    }
}

impl Reporter for Bars {
    fn event(&self, event: Event) {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PhaseStarted(phase) => self.start(state, phase),
            Event::PhaseFinished(phase, took) => self.finish(state, &phase, took),
            Event::BuildLine(platform, line) => {
                self.line(state, &format!("{} {}", self.style.dim(&format!("{platform} |")), clean::line(&line)));
            }
            Event::LayerCompressed { platform, diff_id, done: true, .. } => {
                self.settle(state, &Row::Compressing(platform, diff_id));
            }
            Event::LayerCompressed { platform, diff_id, read, done: false } => {
                self.advance(state, Row::Compressing(platform, diff_id), read, None);
            }
            Event::Uploading { platform, registry, digest, sent, size } => {
                self.advance(state, Row::Uploading(platform, registry, digest), sent, Some(size));
            }
            Event::LayerSettled { platform, registry, digest, size, fate } => {
                self.settle(state, &Row::Uploading(platform.clone(), registry.clone(), digest));
                state.settled.add(platform, registry, size, fate);
            }
            Event::Retry { registry, operation, attempt, attempts, wait, cause } => {
                let retry = wording::retry(&registry, &operation, (attempt, attempts), wait, &cause);
                self.line(state, &self.style.yellow(&retry));
            }
            Event::Note(note) | Event::Notice(note) => self.line(state, &clean::line(&note)),
            Event::Warning(warning) => self.line(state, &wording::warning(&warning, self.style)),
            Event::LayerKnown { platform, size, .. } => state.settled.add_known(platform, size),
        }
    }
}

impl Screen for Bars {
    fn end(&self, failure: Option<&Failure>) {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in state.phases.drain().map(|(_, bar)| bar).chain(state.rows.drain().map(|(_, bar)| bar)) {
            self.vanish(&bar);
        }
        if let Some(failure) = failure {
            state.out.text(&text::failure(failure, self.style));
        }
    }
}

impl Row {
    fn platform(&self) -> &Platform {
        match self {
            Self::Compressing(platform, _) | Self::Uploading(platform, ..) => platform,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressing(platform, diff_id) => write!(f, "{platform} {} compress", short(diff_id)),
            Self::Uploading(platform, registry, digest) => write!(f, "{platform} {} → {registry}", short(digest)),
        }
    }
}

/// The look of a bar. A template that is wrong, which a test rules out, leaves a bar without style.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ")
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

    fn bars() -> (Bars, Buffer) {
        let buffer = Buffer::default();
        (Bars::new(buffer.writer(), ProgressDrawTarget::hidden(), Style::Plain), buffer)
    }

    fn rows(bars: &Bars) -> usize {
        bars.state.lock().unwrap().rows.len()
    }

    fn uploading(layer: usize) -> Event {
        let (registry, digest) = ("ghcr".into(), digest(&layer.to_string()));
        Event::Uploading { platform: amd64(), registry, digest, sent: 5, size: 10 }
    }

    fn settled(layer: usize) -> Event {
        let (registry, digest) = ("ghcr".into(), digest(&layer.to_string()));
        Event::LayerSettled { platform: amd64(), registry, digest, size: 10, fate: LayerFate::Uploaded }
    }

    #[rstest::rstest]
    #[case(PHASE_TEMPLATE)]
    #[case(UPLOAD_TEMPLATE)]
    #[case(COMPRESS_TEMPLATE)]
    fn templates_are_templates(#[case] template: &str) {
        assert!(ProgressStyle::with_template(template).is_ok());
    }

    #[test]
    fn rows_are_few_and_make_room_for_others() {
        let (bars, _) = bars();
        (0..ROWS_MAX + 5).for_each(|layer| bars.event(uploading(layer)));
        assert_eq!(rows(&bars), ROWS_MAX);
        bars.event(settled(0));
        bars.event(settled(1));
        assert_eq!(rows(&bars), ROWS_MAX - 2);
        bars.event(uploading(ROWS_MAX + 4));
        assert_eq!(rows(&bars), ROWS_MAX - 1);
    }

    #[test]
    fn a_compressed_layer_vanishes() {
        let (bars, _) = bars();
        let compressed = |done| Event::LayerCompressed { platform: amd64(), diff_id: digest("x"), read: 5, done };
        bars.event(compressed(false));
        assert_eq!(rows(&bars), 1);
        bars.event(compressed(true));
        assert_eq!(rows(&bars), 0);
    }

    #[test]
    fn lines_stay_and_bars_vanish() {
        let (bars, buffer) = bars();
        let took = Duration::from_millis(1500);
        for event in [
            Event::PhaseStarted(Phase::Build(amd64())),
            Event::BuildLine(arm64(), "STEP 1/2: FROM scratch\u{1b}[2K".into()),
            Event::PhaseFinished(Phase::Build(amd64()), took),
            Event::PhaseStarted(Phase::Stage(amd64())),
            uploading(0),
            settled(0),
            // Arrives late and must not stay.
            uploading(0),
            Event::Retry {
                registry: "ghcr".into(),
                operation: "manifest push".into(),
                attempt: 1,
                attempts: 3,
                wait: took,
                cause: "unavailable".into(),
            },
            Event::PhaseFinished(Phase::Stage(amd64()), took),
            Event::Warning("emulated".into()),
        ] {
            bars.event(event);
        }
        assert_eq!(rows(&bars), 0);
        bars.end(Some(&failure()));
        insta::assert_snapshot!(buffer.text(), @"
        linux/arm64 | STEP 1/2: FROM scratch
        ✓ linux/amd64 built in 1.5 s
        ghcr: manifest push failed (attempt 1 of 3), again in 1.5 s: unavailable
        ✓ linux/amd64 staged in 1.5 s
          linux/amd64 ghcr: 1 uploaded (10 B)
        warning: emulated
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }

    #[test]
    fn colour_is_only_for_those_who_asked() {
        let buffer = Buffer::default();
        let bars = Bars::new(buffer.writer(), ProgressDrawTarget::hidden(), Style::Coloured);
        bars.event(Event::BuildLine(amd64(), "x".into()));
        assert_eq!(buffer.text(), "\u{1b}[2mlinux/amd64 |\u{1b}[0m x\n");
    }
}
