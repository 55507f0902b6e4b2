//! The client of one repository on one registry, written for pushing (distribution specification 1.1).
//!
//! Every public operation is one unit of retry: it is tried [`crate::http::ATTEMPTS_MAX`] times in all, and nothing
//! below or above it retries. Bytes that arrive are believed only after their digest was computed here.

mod blob;
mod client;
mod error;
mod manifest;
mod operation;
mod rate_limiter;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod upload;

pub use blob::{BLOB_IN_MEMORY_MAX, Blob, BlobSource};
pub use client::{Registry, Shared, Traffic};
pub use error::{Cause, RegistryError};
pub use manifest::{Deleted, MANIFEST_MAX, Name};
pub use rate_limiter::{Hosts, UPLOADS_MAX};
pub use upload::Progress;
