//! podman: hosts whose stores are empty, as hosted runners' are, and a witness of what users get.

mod bases;
mod command;
mod host;
mod leftovers;
mod machine;
mod removal;
#[cfg(test)]
mod tests;
mod witness;

pub use host::PodmanHost;
pub use leftovers::{remove_as_its_users, remove_hosts_below};
pub use machine::{emulation, is_rootless, version};
pub use witness::{ContainerRun, Witness};
