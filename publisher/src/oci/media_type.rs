//! Media types as they stand in manifests and `Content-Type` headers.
//!
//! Docker's types (image manifest version 2, schema 2) are what this publisher writes, because only they carry
//! `HEALTHCHECK`; the OCI ones are only read, in images of other publishers.

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
