//! What is answered when something is refused (distribution-spec 1.1, Error codes; distribution: registry/api/errcode).

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    RangeInvalid,
    Unauthorized,
    Unknown,
}

impl Code {
    /// Status, name and message of each, as distribution 2.8 has them.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::BlobUploadInvalid => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_INVALID", "blob upload invalid"),
            Self::BlobUploadUnknown => {
                (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            }
            Self::DigestInvalid => {
                (StatusCode::BAD_REQUEST, "DIGEST_INVALID", "provided digest did not match uploaded content")
            }
            Self::ManifestBlobUnknown => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
            Self::ManifestInvalid => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "manifest invalid"),
            Self::ManifestUnknown => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown"),
            Self::NameUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
            Self::RangeInvalid => (StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", "invalid content range"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required"),
            Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "unknown error"),
        }
    }

    /// With a detail, which is for people.
    pub(super) fn about(self, detail: impl Into<Value>) -> Refusal {
        Refusal(vec![(self, Some(detail.into()))])
    }
}

/// One or more reasons. The first one decides on the status.
#[derive(Debug, Clone)]
pub(super) struct Refusal(Vec<(Code, Option<Value>)>);

impl Refusal {
    /// The same reason with several details.
    pub(super) fn all(code: Code, details: impl IntoIterator<Item = String>) -> Self {
        Self(details.into_iter().map(|detail| (code, Some(detail.into()))).collect())
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self(vec![(code, None)])
    }
}

/// Storage that fails.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Code::Unknown.about(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = |(code, detail): &(Code, Option<Value>)| {
            let (_, name, message) = code.parts();
            let mut error = json!({"code": name, "message": message});
            if let Some(detail) = detail {
                error["detail"] = detail.clone();
            }
            error
        };
        let errors: Vec<Value> = self.0.iter().map(error).collect();
        let status = self.0.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, |(code, _)| code.parts().0);
        let body = json!({"errors": errors}).to_string();
        (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], Body::from(body)).into_response()
    }
}
