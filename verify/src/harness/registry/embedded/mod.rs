//! A registry within this process, which answers as distribution 2.8 does, and does more where OCI distribution 1.1 has it.
//!
//! Names, tags and manifests are in maps. Blobs are files in a temporary folder, hashed while they arrive, so memory stays
//! flat however large they are. It shares no code with any client under test.

mod accept;
mod blobs;
mod call;
mod digest;
mod document;
mod guard;
mod listing;
mod manifests;
mod refusal;
mod route;
mod serve;
mod store;
mod upload;
mod uploads;

pub(super) use serve::Embedded;
pub use serve::EmbeddedSettings;
pub use store::{Held, Saved};
