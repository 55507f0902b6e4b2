//! podman: hosts whose stores are empty, as hosted runners' are, and a witness of what users get.

mod command;
mod host;
mod witness;

pub use host::PodmanHost;
pub use witness::{ContainerRun, Witness};
