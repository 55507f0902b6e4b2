//! The plain nouns of the field: digest, tag, platform, repository, raw manifest.
//!
//! What the OCI specifications define is taken from `oci-spec`; here stands what it lacks (Docker's media types, names
//! that are checked when they are made). Nothing in here talks to anything.

mod label;
mod media_type;
mod platform;
mod raw;
mod repository;
mod tag;

pub use label::{LABEL_CREATED, LABEL_PARENTS, LABEL_REVISION, LABEL_SOURCE};
pub use media_type::{
    DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_ACCEPT, OCI_INDEX, OCI_MANIFEST, is_index,
};
pub use oci_spec::image::Digest;
pub use platform::{Platform, PlatformError};
pub use raw::{RawManifest, digest_of, digest_of_hash, short};
pub use repository::{Host, Repository, RepositoryError, is_loopback};
pub use tag::{Tag, TagError};
