//! What is refused, in GitHub's words. Clean-up programs match some of them.

use axum::http::StatusCode;
use serde_json::json;

use super::super::message::Answer;

pub(super) const LAST_TAGGED: &str =
    "You cannot delete the last tagged version of a package. You must delete the package instead.";
pub(super) const LAST: &str = "You cannot delete the last version of a package. You must delete the package instead.";
pub(super) const POPULAR_VERSION: &str = "Publicly visible package versions with more than 5000 downloads cannot be \
                                          deleted. Contact GitHub support for further assistance.";
pub(super) const POPULAR_PACKAGE: &str = "Publicly visible packages with more than 5000 downloads cannot be deleted. \
                                          Contact GitHub support for further assistance.";
pub(super) const SECONDARY_LIMIT: &str =
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
pub(super) const PRIMARY_LIMIT: &str = "API rate limit exceeded for this token.";
pub(super) const NO_PERSON: &str = "Resource not accessible by integration";

/// A refusal with a message.
pub(super) fn refused(status: StatusCode, message: &str) -> Answer {
    Answer::json(
        status,
        json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest/packages/packages",
            "status": status.as_u16().to_string(),
        }),
    )
}

pub(super) fn bad_request(message: &str) -> Answer {
    refused(StatusCode::BAD_REQUEST, message)
}

pub(super) fn forbidden(message: &str) -> Answer {
    refused(StatusCode::FORBIDDEN, message)
}

/// No such interface, or none for this owner.
pub(super) fn not_found() -> Answer {
    refused(StatusCode::NOT_FOUND, "Not Found")
}

/// No such package, or no such version of it.
pub(super) fn package_not_found() -> Answer {
    refused(StatusCode::NOT_FOUND, "Package not found.")
}

pub(super) fn unauthorized(shown: bool) -> Answer {
    refused(StatusCode::UNAUTHORIZED, if shown { "Bad credentials" } else { "Requires authentication" })
}
