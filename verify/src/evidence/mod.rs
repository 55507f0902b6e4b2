//! What checks judge: everything that was seen of a pipeline, as plain data.

mod gathered;
mod pace;
mod run;

pub use gathered::{Evidence, Moment};
pub use pace::Beat;
pub use run::{Call, Exit, Run, Stage, StageRun};
