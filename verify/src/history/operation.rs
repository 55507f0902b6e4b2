//! What a request is for: the endpoints of the distribution specification (1.1), of the token service, and of the
//! management interfaces of Docker Hub and GitHub Packages.

use serde::{Deserialize, Serialize};

/// The endpoints, by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `GET /v2/`
    Ping,
    /// `GET` or `POST` of the token service
    Token,
    /// `GET /v2/_catalog`
    Catalog,
    /// `GET …/tags/list`
    Tags,
    /// `GET …/referrers/<digest>`
    Referrers,
    /// `HEAD …/manifests/<reference>`
    ManifestHead,
    /// `GET …/manifests/<reference>`
    ManifestGet,
    /// `PUT …/manifests/<reference>`
    ManifestPut,
    /// `DELETE …/manifests/<reference>`
    ManifestDelete,
    /// `HEAD …/blobs/<digest>`
    BlobHead,
    /// `GET …/blobs/<digest>`
    BlobGet,
    /// `DELETE …/blobs/<digest>`
    BlobDelete,
    /// `POST …/blobs/uploads/`
    UploadBegin,
    /// `POST …/blobs/uploads/?mount=<digest>`
    UploadMount,
    /// `POST …/blobs/uploads/?digest=<digest>`: the whole blob at once
    UploadWhole,
    /// `PATCH` of an upload
    UploadAppend,
    /// `PUT` of an upload
    UploadFinish,
    /// `GET` of an upload: how far is it?
    UploadStatus,
    /// `DELETE` of an upload
    UploadCancel,
    /// Docker Hub: `POST /v2/auth/token` or `/v2/users/login`
    HubLogin,
    /// Docker Hub: the tags of a repository, a page
    HubTags,
    /// Docker Hub: one tag
    HubTag,
    /// Docker Hub: deletion of one tag
    HubTagDelete,
    /// GitHub Packages: a package
    Package,
    /// GitHub Packages: deletion of a package
    PackageDelete,
    /// GitHub Packages: the versions of a package, a page
    PackageVersions,
    /// GitHub Packages: one version
    PackageVersion,
    /// GitHub Packages: deletion of one version
    PackageVersionDelete,
    /// GitHub Packages: restoration of a package or version
    PackageRestore,
}

impl Kind {
    /// Whether such a request can change what a registry holds or shows.
    pub const fn writes(self) -> bool {
        !self.reads() && !matches!(self, Self::Token | Self::HubLogin | Self::UploadStatus)
    }

    /// Whether such a request only asks what a registry holds or shows.
    pub const fn reads(self) -> bool {
        matches!(
            self,
            Self::Ping
                | Self::Catalog
                | Self::Tags
                | Self::Referrers
                | Self::ManifestHead
                | Self::ManifestGet
                | Self::BlobHead
                | Self::BlobGet
                | Self::HubTags
                | Self::HubTag
                | Self::Package
                | Self::PackageVersions
                | Self::PackageVersion
        )
    }

    /// Whether such a request removes something.
    pub const fn deletes(self) -> bool {
        matches!(
            self,
            Self::ManifestDelete
                | Self::BlobDelete
                | Self::HubTagDelete
                | Self::PackageDelete
                | Self::PackageVersionDelete
        )
    }
}

/// A classified request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// What it is for.
    pub kind: Kind,
    /// The repository or package that it is about: `acme/hello`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// What in it: a tag, a digest (of an upload too, once it is named), or a version's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Operation {
    /// The tag that a manifest request names; none if it names a digest or is not about manifests.
    pub fn tag(&self) -> Option<&str> {
        let manifest =
            matches!(self.kind, Kind::ManifestHead | Kind::ManifestGet | Kind::ManifestPut | Kind::ManifestDelete);
        self.reference.as_deref().filter(|reference| manifest && !reference.contains(':'))
    }
}
