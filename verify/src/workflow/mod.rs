//! GitHub workflows, read as they would run: what starts them, which jobs come of it, what each may do and is told.
//!
//! Called workflows and composite actions are followed and stand in place of what calls them, so that judges see jobs and
//! steps alone. Nothing is run and nobody is asked: what stands in files of this machine is all that is known.

mod assemble;
mod event;
mod expression;
mod filter;
mod matrix;
mod model;
mod outcome;
mod read;
mod scope;
mod shell;
mod trigger;
mod values;

pub use assemble::workflow;
pub use event::Event;
pub use expression::{contexts, template};
pub use filter::Filter;
pub use model::{
    Access, Concurrency, Dispatch, Does, Gate, Input, Job, Matrix, Permissions, Push, Step, Strategy, Workflow,
};
pub use outcome::{Outcome, awaited, outcomes, runs_after};
pub use read::Repositories;
pub use shell::{Command, commands};
