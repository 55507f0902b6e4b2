//! The subcommands: each puts the parts together for one job of a workflow.

mod build;
mod cache;
mod clean;
mod connect;
mod gate;
mod merge;
mod plan;
mod prune;
mod publish;
mod result;
mod run;
mod secrets;
mod superseded;
mod visibility;

pub use build::build;
pub use clean::{CleanArgs, Cleaned, clean};
pub use gate::{Gate, cancellable};
pub use merge::merge;
pub use plan::plan;
pub use publish::publish;
pub use result::{write_files, write_summary};
pub use run::{Run, RunArgs, SourceArgs};
