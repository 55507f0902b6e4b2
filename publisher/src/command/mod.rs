//! The subcommands: each puts the parts together for one job of a workflow.

mod build;
mod cache;
mod clean;
mod connect;
mod gate;
mod merge;
mod plan;
mod result;
mod run;
mod superseded;
mod visibility;

pub use build::{build, publish};
pub use clean::{CleanArgs, Cleaned, clean};
pub use gate::Gate;
pub use merge::merge;
pub use plan::plan;
pub use result::{append, outputs};
pub use run::{Run, RunArgs, SourceArgs};
