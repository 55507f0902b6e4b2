//! The client of one repository on one registry, written for pushing (distribution specification 1.1).
//!
//! Every public operation is one unit of retry: it is tried [`crate::http::ATTEMPTS_MAX`] times in all, and nothing
//! below or above it retries. Bytes that arrive are believed only after their digest was computed here.

mod blob;
mod client;
mod error;
mod manifest;
mod operation;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod traffic;
mod turns;
mod upload;

pub use blob::BLOB_IN_MEMORY_MAX;
pub use client::{Registry, RegistryOptions};
pub use error::{Cause, RegistryError};
pub use manifest::{Deleted, MANIFEST_MAX, Name};
pub use traffic::Traffic;
pub use turns::Hosts;
pub use upload::{Blob, BlobSource, Progress, UPLOADS_MAX};
