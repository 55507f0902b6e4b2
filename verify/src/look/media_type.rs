//! The media types of images: Docker's (distribution, "schema 2") and OCI's (image-spec 1.1).

/// Docker's list of manifests.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest of one image.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's configuration of an image.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// OCI's list of manifests.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI's manifest of one image.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI's configuration of an image.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What a reader of manifests accepts, the more specific first: registries convert what is not accepted, or refuse it.
pub(super) const ACCEPTED: [&str; 4] = [DOCKER_LIST, OCI_INDEX, DOCKER_MANIFEST, OCI_MANIFEST];
