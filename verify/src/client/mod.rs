//! A registry client of our own that only reads, and what it read of published images.
//!
//! It shares nothing with any publisher. [`Reader::publication`] takes down what is there, as plain data; checks judge it
//! afterwards. An answer of a registry is data; no answer is an error, because then nothing is known.

mod config;
mod credentials;
mod error;
mod files;
mod http;
mod layer;
mod poller;
mod programs;
mod publication;
mod raw;
mod reader;
mod repository;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod wait;

pub(crate) use raw::format_digest;

pub use config::{Config, Facts};
pub use credentials::{Environment, credentials, process_environment};
pub use error::ClientError;
pub use http::Client;
pub use poller::{Poller, SILENCE_MAX, Sample};
pub use programs::{Executable, ExecutableKind, machine_of};
pub use publication::{Child, Descriptor, Layer, LayerContent, Manifest, ManifestKind, Missing, Platform, Publication};
pub use raw::Raw;
pub use reader::{Depth, Reader};
pub use repository::{Credentials, IDENTITY_TOKEN_USER, Repository};
pub use wait::{Deadline, SETTLE_MAX, Wait};
