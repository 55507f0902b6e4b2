//! Registries to publish to: the real one ("distribution", 2.8) in a container or as a child process, and a stand-in within
//! this process for what needs thousands of runs.
//!
//! All three answer alike: one table of behaviours (`protocol`) runs against each of them, and names the few differences.

mod backend;
mod config;
mod container;
mod embedded;
pub(in crate::harness) mod engine;
mod filesystem;
mod image;
#[cfg(test)]
mod leaks;
mod listing;
mod media;
mod process;
#[cfg(test)]
mod protocol;
mod server;

pub use backend::{Backend, Registry};
pub use embedded::{EmbeddedSettings, Held, Saved};
pub(in crate::harness) use server::Server;
