//! Colours, on the streams that show them only on a terminal.
//!
//! Text is made with colours; the stream drops them where `--color` forbids them, else where `NO_COLOR`, `CLICOLOR` or
//! `CLICOLOR_FORCE` say so, else where it is not a terminal.

use std::io::Write;

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

/// Decides whether this process shows colours.
pub fn set_color(color: ColorChoice) {
    let choice = match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Writes a text with colours to stdout. A reader that has closed the pipe early is no error.
pub fn print(text: &str) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}
