//! What checks judge: everything that was seen of a pipeline, as plain data.

mod gathered;
mod pace;
mod run;

pub use gathered::{Evidence, Moment};
pub use pace::{Beat, SLOW_MACHINE, at_most};
pub use run::{Call, End, Run, Stage, StageRun};
