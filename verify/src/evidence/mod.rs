//! What checks judge: everything that was seen of a pipeline, as plain data.

mod gathered;
mod load;
mod run;

pub use gathered::{Evidence, Moment};
pub use load::LoadSample;
pub use run::{Call, Exit, Run, Stage, StageRun};
