//! The subcommands: each puts the parts together for one job of a workflow.

mod build;
mod cache;
mod clean;
mod connect;
mod doctor;
mod gate;
mod git;
mod init;
mod merge;
mod plan;
mod prune;
mod publish;
mod result;
mod session;
mod superseded;
mod visibility;

pub use build::build;
pub use clean::{CleanArgs, Cleaned, clean};
pub use doctor::doctor;
pub use gate::{Gate, cancellable};
pub use init::{InitArgs, init};
pub use merge::merge;
pub use plan::plan;
pub use publish::publish;
pub use result::{write_files, write_summary};
pub use session::{RunArgs, Session, SourceArgs};
