//! What a path below `/v2/` means (distribution specification 1.1, "Endpoints").

/// Something in a repository, which is named first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// Where uploads are opened.
    Uploads(&'a str),
    /// An upload, by its id.
    Upload(&'a str, &'a str),
    /// A blob, by its digest.
    Blob(&'a str, &'a str),
    /// A manifest, by its digest or a tag.
    Manifest(&'a str, &'a str),
    /// The list of tags.
    Tags(&'a str),
    /// What refers to a manifest.
    Referrers(&'a str, &'a str),
}

impl<'a> Target<'a> {
    /// Reads a path; nothing if no registry has it.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v2/")?;
        if let Some((name, id)) = path.split_once("/blobs/uploads/") {
            return Some(if id.is_empty() { Self::Uploads(name) } else { Self::Upload(name, id) });
        }
        if let Some((name, digest)) = path.split_once("/blobs/") {
            return Some(Self::Blob(name, digest));
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags(name));
        }
        if let Some((name, digest)) = path.split_once("/referrers/") {
            return Some(Self::Referrers(name, digest));
        }
        path.split_once("/manifests/").map(|(name, reference)| Self::Manifest(name, reference))
    }

    /// The repository.
    pub(super) fn repository(self) -> &'a str {
        match self {
            Self::Uploads(name)
            | Self::Tags(name)
            | Self::Upload(name, _)
            | Self::Blob(name, _)
            | Self::Manifest(name, _)
            | Self::Referrers(name, _) => name,
        }
    }
}
