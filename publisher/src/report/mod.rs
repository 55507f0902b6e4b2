//! Turns the events of a run ([`crate::event`]) and its result into what people and machines read.
//!
//! - [`outcome`] is the result as data, [`text`] and [`summary`] are its forms;
//! - [`Screen`] shows a run while it works: progress bars on a terminal, else a log, with groups and annotations in a
//!   GitHub Actions job.
//!
//! Progress goes to stderr, always; stdout carries the result alone. Text from outside (build output, registries'
//! answers) is sanitized before it is shown: it can neither move a terminal's cursor nor give the runner commands.

mod bars;
mod log;
mod message;
pub mod outcome;
mod sanitize;
mod screen;
mod style;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod text;

pub use screen::{Screen, is_actions};
pub use style::{print, set_color};
