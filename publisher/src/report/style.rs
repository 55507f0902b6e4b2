//! Colours, and the streams that show them only on a terminal.
//!
//! Text is made with colours; the stream drops them where `--color` forbids them, else where `NO_COLOR`, `CLICOLOR` or
//! `CLICOLOR_FORCE` say so, else where it is not a terminal.

use std::io::{self, Write};

use anstream::AutoStream;
use clap::{
    ColorChoice,
    builder::styling::{AnsiColor, Style},
};

/// For what failed.
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
/// For what succeeded.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// For warnings.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// For hints.
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();
/// For titles.
pub(super) const BOLD: Style = Style::new().bold();
/// For what is less important.
pub(super) const DIM: Style = Style::new().dimmed();

/// stderr, for lines with colours.
pub(super) fn stderr(color: ColorChoice) -> Box<dyn Write + Send> {
    Box::new(AutoStream::new(io::stderr(), choice(color)))
}

/// Writes a text with colours to stdout. A reader that has closed the pipe early is no error.
pub fn print(text: &str, color: ColorChoice) {
    let _ = AutoStream::new(io::stdout().lock(), choice(color)).write_all(text.as_bytes());
}

fn choice(color: ColorChoice) -> anstream::ColorChoice {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
}
