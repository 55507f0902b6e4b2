//! The real and the stand-in parts that a pipeline under test works with.

pub mod contents;
pub mod management;
pub mod secrets;
pub mod source;
pub mod subject;
pub mod watch;
