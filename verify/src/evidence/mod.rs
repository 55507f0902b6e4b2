//! What checks judge: everything that was seen of a pipeline, as plain data.

mod gathered;
mod run;

pub use gathered::{Evidence, Moment};
pub use run::{Call, End, Run, Stage, StageRun};
