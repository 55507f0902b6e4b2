//! Stand-ins of the management interfaces through which images are cleaned up: Docker Hub's and GitHub Packages'.
//!
//! Both show what a registry holds, read from behind through [`Contents`](super::contents::Contents), and remove it there.
//! Nothing about a registry is stored a second time. Only what no registry has is theirs: tokens, limits, when something was
//! seen first, and what may be restored.

mod docker_hub;
mod encoding;
mod github;
mod message;
mod page;
mod server;
mod sightings;
#[cfg(test)]
mod testing;

pub use docker_hub::{DockerHub, HubAccount, HubSettings, ManifestDeletion};
pub use github::{DeletedVersion, GitHub, GitHubSettings, GitHubToken, Lag, Owner, Restore, TokenKind, version_id};
