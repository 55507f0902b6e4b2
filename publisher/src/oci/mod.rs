//! The plain nouns of the field: digest, tag, platform, repository, raw manifest.
//!
//! What the OCI specifications define is taken from `oci-spec`; here stands what it lacks (Docker's media types, names
//! that are checked when they are made). Nothing in here talks to anything.

mod platform;
mod raw;
mod repository;
mod tag;

pub use oci_spec::image::Digest;
pub use platform::Platform;
pub use raw::{RawManifest, digest_of, digest_of_hash, short};
pub use repository::{Host, Repository, is_loopback};
pub use tag::Tag;

// Media types. Docker's (image manifest version 2, schema 2) are what this publisher writes, because only they carry
// `HEALTHCHECK`; the OCI ones are only read, in images of other publishers.

/// A Docker image manifest for one platform.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list: one entry a platform.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image configuration, the only one that may hold a health check.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A gzip-compressed layer of a Docker image.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// An OCI image manifest for one platform.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI index: the counterpart of a manifest list.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The `Accept` header of every manifest request: all kinds of manifest that can be under a tag.
pub const MANIFEST_ACCEPT: &str = "application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json";

/// Whether a media type is that of a manifest list or an index.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, DOCKER_LIST | OCI_INDEX)
}

// The labels by which an image says where it comes from: annotations of the OCI image specification, which Docker images
// carry as labels.

/// Where the image's source code is. GHCR links a package to its repository by it.
pub const LABEL_SOURCE: &str = "org.opencontainers.image.source";
/// The commit that the image was built from.
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// When that commit was made, RFC 3339: the same commit gives the same label.
pub const LABEL_CREATED: &str = "org.opencontainers.image.created";
/// The commits that this commit was made from, divided by blanks. Of two commits of the same second, the one that names the
/// other is the newer one.
pub const LABEL_PARENTS: &str = "tallyman.parents";
