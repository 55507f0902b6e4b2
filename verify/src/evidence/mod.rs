//! What checks judge: everything that was seen of a pipeline, as plain data.

mod run;

pub use run::{Call, End, Run, Stage, StageRun};
