//! A terminal: a spinner for each phase that runs, a bar for each layer on its way, lines above them that stay.
//!
//! Bars are few on purpose: a screen that scrolls its own bars away shows nothing. Bars beyond the limit wait until
//! others are removed; what is finished is removed. A bar that is dropped clears itself.

use std::{collections::HashMap, io::Write, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    message::{bytes, message},
    screen::write,
    style::{DIM, GREEN, YELLOW},
    text,
};
use crate::{
    event::{Event, Phase},
    exit::Failure,
    oci::{Digest, Platform, short},
};

/// How many layers are drawn at once; with the spinners this fits the smallest usual terminal of 24 lines.
const LAYERS_MAX: usize = 12;
/// How often a spinner turns.
const SPIN_MS: u64 = 100;
/// A phase that runs.
const PHASE_TEMPLATE: &str = "{spinner} {msg} {elapsed}";
/// A layer whose size is known.
const UPLOAD_TEMPLATE: &str = "  {msg} {bar:24} {prefix}";
/// A layer that is read from podman, which does not say how much there is.
const COMPRESS_TEMPLATE: &str = "  {msg} {prefix}";

/// Draws bars, and writes lines above them.
pub(super) struct Bars {
    out: Box<dyn Write + Send>,
    multi: MultiProgress,
    phases: HashMap<Phase, ProgressBar>,
    layers: HashMap<Layer, ProgressBar>,
}

/// A layer on its way: compressed, or sent to a registry.
type Layer = (Platform, Digest, Option<String>);

impl Bars {
    /// Bars are drawn on `target`, lines that stay are written to `out`; both must be the same terminal.
    pub(super) fn new(out: Box<dyn Write + Send>, target: ProgressDrawTarget) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        Self { out, multi, phases: HashMap::new(), layers: HashMap::new() }
    }

    pub(super) fn event(&mut self, event: Event) {
        let message = message(&event);
        let line = match (&event, message) {
            // Layers have bars, and the result has their sum.
            (Event::LayerKnown { .. } | Event::BlobPushed { .. }, _) | (_, None) => None,
            (Event::BuildLine(platform, _), Some(line)) => Some(format!("{DIM}{platform} |{DIM:#} {line}")),
            (Event::PhaseFinished(..), Some(line)) => Some(format!("{GREEN}✓{GREEN:#} {line}")),
            (Event::Retry { .. } | Event::Warning(_), Some(line)) => Some(format!("{YELLOW}{line}{YELLOW:#}")),
            (_, Some(line)) => Some(line),
        };
        match event {
            Event::PhaseStarted(phase) => {
                let spinner = self.multi.add(ProgressBar::new_spinner().with_style(style(PHASE_TEMPLATE)));
                spinner.set_message(phase.to_string());
                spinner.enable_steady_tick(Duration::from_millis(SPIN_MS));
                self.phases.insert(phase, spinner);
            }
            Event::PhaseFinished(phase, _) => {
                self.phases.remove(&phase);
                if let Phase::Stage(platform) = phase {
                    self.layers.retain(|(of, ..), _| *of != platform);
                }
            }
            Event::Compressing { platform, diff_id, read } => self.advance((platform, diff_id, None), read, None),
            Event::Compressed { platform, diff_id } => drop(self.layers.remove(&(platform, diff_id, None))),
            Event::Uploading { platform, registry, digest, sent, size } => {
                self.advance((platform, digest, Some(registry)), sent, Some(size));
            }
            Event::BlobPushed { platform, registry, digest, .. } => {
                self.layers.remove(&(platform, digest, Some(registry)));
            }
            _ => {}
        }
        if let Some(line) = line {
            self.multi.suspend(|| write(&mut self.out, &format!("{line}\n")));
        }
    }

    /// Removes all bars and writes what failed.
    pub(super) fn end(&mut self, failure: Option<&Failure>) {
        self.phases.clear();
        self.layers.clear();
        let _ = self.multi.clear();
        if let Some(failure) = failure {
            write(&mut self.out, &text::failure(failure));
        }
    }

    /// Moves a layer's bar; it appears when there is room.
    fn advance(&mut self, layer: Layer, position: u64, size: Option<u64>) {
        if !self.layers.contains_key(&layer) && self.layers.len() >= LAYERS_MAX {
            return;
        }
        let bar = self.layers.entry(layer).or_insert_with_key(|(platform, digest, registry)| {
            let template = if size.is_some() { UPLOAD_TEMPLATE } else { COMPRESS_TEMPLATE };
            let bar = self.multi.add(ProgressBar::no_length().with_style(style(template)));
            let to = registry.as_ref().map_or("compress".into(), |registry| format!("→ {registry}"));
            bar.set_message(format!("{platform} {} {to}", short(digest)));
            bar
        });
        if let Some(size) = size {
            bar.set_length(size);
        }
        let size = size.map(|size| format!(" / {}", bytes(size))).unwrap_or_default();
        bar.set_prefix(format!("{}{size}", bytes(position)));
        bar.set_position(position);
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
        event::BlobOutcome,
        report::{
            outcome::tests::failure,
            sanitize::without_escapes,
            tests::{Buffer, amd64, arm64, digest},
        },
    };

    fn bars() -> (Bars, Buffer) {
        let buffer = Buffer::default();
        (Bars::new(buffer.writer(), ProgressDrawTarget::hidden()), buffer)
    }

    fn uploading(layer: usize) -> Event {
        let (registry, digest) = ("ghcr".into(), digest(&layer.to_string()));
        Event::Uploading { platform: amd64(), registry, digest, sent: 5, size: 10 }
    }

    fn pushed(layer: usize) -> Event {
        let (registry, digest) = ("ghcr".into(), digest(&layer.to_string()));
        Event::BlobPushed { platform: amd64(), registry, digest, size: 10, outcome: BlobOutcome::Uploaded }
    }

    #[rstest::rstest]
    #[case(PHASE_TEMPLATE)]
    #[case(UPLOAD_TEMPLATE)]
    #[case(COMPRESS_TEMPLATE)]
    fn templates_are_valid(#[case] template: &str) {
        assert!(ProgressStyle::with_template(template).is_ok());
    }

    #[test]
    fn bars_are_few_and_make_room_for_others() {
        let (mut bars, _) = bars();
        (0..LAYERS_MAX + 5).for_each(|layer| bars.event(uploading(layer)));
        assert_eq!(bars.layers.len(), LAYERS_MAX);
        bars.event(pushed(0));
        bars.event(pushed(1));
        assert_eq!(bars.layers.len(), LAYERS_MAX - 2);
        bars.event(uploading(LAYERS_MAX + 4));
        assert_eq!(bars.layers.len(), LAYERS_MAX - 1);
    }

    #[test]
    fn the_bar_of_a_compressed_layer_is_removed() {
        let (mut bars, _) = bars();
        bars.event(Event::Compressing { platform: amd64(), diff_id: digest("x"), read: 5 });
        assert_eq!(bars.layers.len(), 1);
        bars.event(Event::Compressed { platform: amd64(), diff_id: digest("x") });
        assert_eq!(bars.layers.len(), 0);
    }

    #[test]
    fn lines_stay_and_bars_are_removed() {
        let (mut bars, buffer) = bars();
        let took = Duration::from_millis(1500);
        for event in [
            Event::PhaseStarted(Phase::Build(amd64())),
            Event::BuildLine(arm64(), "STEP 1/2: FROM scratch\u{1b}[2K".into()),
            Event::PhaseFinished(Phase::Build(amd64()), took),
            Event::PhaseStarted(Phase::Stage(amd64())),
            uploading(0),
            pushed(0),
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
        assert_eq!(bars.layers.len(), 0);
        bars.end(Some(&failure()));
        insta::assert_snapshot!(without_escapes(&buffer.text()), @"
        linux/arm64 | STEP 1/2: FROM scratch
        ✓ build linux/amd64: 1.5 s
        ghcr: manifest push failed (attempt 1 of 3), again in 1.5 s: unavailable
        ✓ stage linux/amd64: 1.5 s
        warning: emulated
        error: failed to push layer 2cf24dba5fb0 to ghcr after 3 attempts
          caused by: the registry answered 503 Service Unavailable
          caused by: unavailable
        left: nothing was published
        hint: run it again; what was sent is not sent twice
        ");
    }
}
