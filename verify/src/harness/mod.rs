//! The real and the stand-in parts that a pipeline under test works with.

pub mod contents;
pub mod error;
mod lock;
pub mod management;
mod marked;
pub mod pace;
pub mod podman;
pub mod proxy;
pub mod registry;
pub mod rest;
pub mod secrets;
pub mod source;
pub mod subject;
pub mod sweep;
pub mod tls;
pub mod token;
pub mod watch;

pub use error::HarnessError;
