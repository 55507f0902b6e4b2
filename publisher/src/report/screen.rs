//! What shows a run while it works, and which one to take.

use std::{io, sync::Arc};

use indicatif::ProgressDrawTarget;

use super::{ActionsLog, Bars, Plain, Quiet, terminal::Style};
use crate::{event::Reporter, exit::Failure};

/// How often bars are drawn, per second: often enough to move, seldom enough for a slow line.
const DRAWS_PER_SECOND: u8 = 10;

/// In which form the result goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document, alone on stdout.
    Json,
}

/// A reporter that has something to show, and to show last.
pub trait Screen: Reporter {
    /// The run is over: takes away what is drawn, writes what was held back and, where it failed, says why.
    ///
    /// Must be called once, when no events come any more; before that the output of a failed build may be held back.
    fn end(&self, failure: Option<&Failure>);
}

/// The screen for a run, on stderr.
///
/// `terminal` is whether stderr can be drawn on ([`super::terminal::can_draw`]), `actions` whether this is a step of a
/// GitHub Actions job; there the log has its form whatever stdout carries, because annotations are how a failure shows.
pub fn choose(output: OutputFormat, terminal: bool, actions: bool, style: Style) -> Arc<dyn Screen> {
    let out = Box::new(io::stderr());
    match Kind::of(output, terminal, actions) {
        Kind::Actions => Arc::new(ActionsLog::new(out)),
        Kind::Quiet => Arc::new(Quiet::new(out, style)),
        Kind::Bars => Arc::new(Bars::new(out, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND), style)),
        Kind::Plain => Arc::new(Plain::new(out, style)),
    }
}

/// The kinds of screen.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Actions,
    Quiet,
    Bars,
    Plain,
}

impl Kind {
    fn of(output: OutputFormat, terminal: bool, actions: bool) -> Self {
        match output {
            // The runner reads commands from stdout and stderr alike, but through two pipes whose order among each
            // other is not kept. On stderr alone lines stay in order, and stdout stays clean for `--output json`.
            _ if actions => Self::Actions,
            OutputFormat::Json => Self::Quiet,
            OutputFormat::Text if terminal => Self::Bars,
            OutputFormat::Text => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(OutputFormat::Text, true, false, Kind::Bars)]
    #[case(OutputFormat::Text, false, false, Kind::Plain)]
    #[case(OutputFormat::Json, true, false, Kind::Quiet)]
    #[case(OutputFormat::Json, false, true, Kind::Actions)]
    #[case(OutputFormat::Text, true, true, Kind::Actions)]
    fn the_place_decides_and_then_the_form(
        #[case] output: OutputFormat,
        #[case] terminal: bool,
        #[case] actions: bool,
        #[case] kind: Kind,
    ) {
        assert_eq!(Kind::of(output, terminal, actions), kind);
    }
}
