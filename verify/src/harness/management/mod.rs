//! Stand-ins of the management interfaces through which images are removed: Docker Hub's and GitHub Packages'.
//!
//! Both show what a registry's storage holds, and remove it there; they keep no copy. All that they add is logins, ids and the
//! time when something was first seen.

pub mod docker_hub;
mod first_seen;
pub mod github;
mod http;
#[cfg(test)]
mod tests;

pub use github::version_id;
pub use http::StandIn;
