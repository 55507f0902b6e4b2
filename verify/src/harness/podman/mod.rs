//! podman: hosts whose stores are empty, as on hosted runners, and a test that pulls and runs images.

mod bases;
mod command;
mod host;
mod leftovers;
mod machine;
mod pull_test;
mod removal;
#[cfg(test)]
mod tests;

pub use host::PodmanHost;
pub use leftovers::{remove_as_its_users, remove_hosts_below};
pub use machine::{emulation, is_rootless, version};
pub use pull_test::{ContainerRun, PullTest};
