//! Turns what a run tells ([`crate::event`]) and what came of it into what people and machines read.
//!
//! - [`outcome`] is the result as data, [`text`], [`summary`] and [`timings`] are its forms;
//! - [`Screen`]s show a run while it works: [`Bars`] on a terminal, [`ActionsLog`] in a GitHub Actions log, [`Plain`] in
//!   any other log, [`Quiet`] beside `--output json`; [`choose`] picks one;
//! - [`Tally`] stands before a screen and remembers what the result needs.
//!
//! Progress goes to stderr, always; stdout carries the result alone. Text from outside (build output, registries'
//! answers) is cleaned before it is shown: it can neither move a terminal's cursor nor give the runner commands.

mod actions;
mod bars;
mod clean;
mod markdown;
pub mod outcome;
mod plain;
mod quiet;
mod screen;
mod settled;
mod sink;
pub mod summary;
mod tally;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod text;
pub mod timings;
pub mod units;
mod wording;
mod workflow_command;

pub use actions::ActionsLog;
pub use bars::Bars;
pub use plain::Plain;
pub use quiet::Quiet;
pub use screen::{OutputFormat, Screen, choose};
pub use tally::Tally;
