//! The labels by which an image says where it comes from (annotations of the OCI image specification, which Docker
//! images carry as labels).

/// Where the image's source code is. GHCR links a package to its repository by it.
pub const LABEL_SOURCE: &str = "org.opencontainers.image.source";
/// The commit that the image was built from.
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// When that commit was made, RFC 3339: the same commit gives the same label.
pub const LABEL_CREATED: &str = "org.opencontainers.image.created";
/// The commits that this commit was made from, divided by blanks. Of two commits of the same second, the one that names the
/// other is the newer one.
pub const LABEL_PARENTS: &str = "tallyman.parents";
