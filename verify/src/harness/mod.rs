//! The real parts and the stand-ins that a pipeline under test works with.

pub mod error;
mod lock;
pub mod management;
pub mod outside;
pub mod owner;
pub mod pace;
pub mod podman;
pub mod proxy;
pub mod registry;
pub mod rest;
pub mod secrets;
mod server;
pub mod source;
mod stage_process;
pub mod subject;
pub mod sweep;
pub mod tls;
pub mod token;
pub mod watch;

pub use error::HarnessError;
