//! What a client accepts (distribution 2.8: registry/handlers/manifests.go).

use axum::http::{HeaderMap, header};

use crate::harness::registry::media::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// What becomes of a manifest for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// It is served as it is.
    AsItIs,
    /// One of its children is served in its place.
    OneOfItsChildren,
    /// The client gets nothing, for this reason.
    Not(&'static str),
}

/// Decides what a client gets. Docker's older clients ask by tag, and without lists; by digest everybody gets what he named.
pub(super) fn served(media_type: &str, by_tag: bool, headers: &HeaderMap) -> Served {
    let accepted = accepts(headers, media_type);
    match media_type {
        _ if accepted => Served::AsItIs,
        OCI_MANIFEST => Served::Not("OCI manifest found, but accept header does not support OCI manifests"),
        OCI_INDEX => Served::Not("OCI index found, but accept header does not support OCI indexes"),
        DOCKER_LIST if by_tag => Served::OneOfItsChildren,
        DOCKER_MANIFEST if by_tag => Served::Not("schema 1 is not made here"),
        _ => Served::AsItIs,
    }
}

/// Whether a media type stands in a client's `Accept` headers. Wildcards are not understood there.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(','));
    types.any(|range| range.split(';').next().is_some_and(|range| range.trim() == media_type))
}
