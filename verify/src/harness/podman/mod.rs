//! podman: hosts whose stores are empty, as on hosted runners, and a test that pulls and runs images.

mod bases;
mod command;
mod host;
mod leftovers;
mod pull_test;
mod removal;
#[cfg(test)]
mod tests;

use command::version;
pub use host::PodmanHost;
pub use leftovers::{remove_as_its_users, remove_hosts_below};
pub use pull_test::{ContainerRun, PullTest};
