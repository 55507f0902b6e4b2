//! A stand-in of `hub.docker.com` and of what is Docker Hub's own on its registry host.
//!
//! Facts: a personal access token must be exchanged for an access token of ten minutes; tags are listed in pages of 10, at
//! most 100; a tag is deleted by its name, a manifest on the registry host and only while no tag and no list needs it.

mod access;
mod images;
mod interface;
mod manifest_deletion;
mod stand_in;
mod tags;
#[cfg(test)]
mod tests;

pub use access::HubAccount;
pub use manifest_deletion::ManifestDeletion;
pub use stand_in::{DockerHub, HubSettings};
