//! Tokens that are called expired before their time.
//!
//! An expired token stays expired: whoever sends it again is refused again. The challenge is the registry's own, with its
//! realm and service, and `error="invalid_token"` (RFC 6750, 3.1), as the reference registry writes it.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Empty;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, WWW_AUTHENTICATE},
    http::request,
};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{Answer, table::Slot, upstream};
use crate::history::{Challenge, Kind, Operation};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const API_VERSION_2: HeaderValue = HeaderValue::from_static("registry/2.0");

type Hash = [u8; 32];

/// The tokens that are expired, as hashes, and what to answer to them.
#[derive(Default)]
pub(super) struct Expired(Mutex<Vec<(Hash, Arc<Slot>)>>);

impl Expired {
    /// Calls a request's token expired from now on.
    pub(super) fn add(&self, headers: &HeaderMap, slot: Arc<Slot>) {
        if let Some(hash) = hash(headers) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((hash, slot));
        }
    }

    /// The name of the rule that has called a request's token expired.
    pub(super) fn by(&self, headers: &HeaderMap) -> Option<String> {
        let hash = hash(headers)?;
        let expired = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, slot) = expired.iter().find(|(token, slot)| *token == hash && !slot.is_released())?;
        Some(slot.rule.name.clone())
    }
}

fn hash(headers: &HeaderMap) -> Option<Hash> {
    Some(Sha256::digest(headers.get(AUTHORIZATION)?.as_bytes()).into())
}

/// What the registry answers to an expired token; an error in words if it asks for none.
pub(super) async fn answer(host: &str, head: &request::Parts, operation: Option<&Operation>) -> Result<Answer, String> {
    let mut question = Request::get("/v2/").body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    if let Some(name) = head.headers.get(HOST) {
        question.headers_mut().insert(HOST, name.clone());
    }
    let asked = upstream::ask(host, question).await.map_err(|error| error.in_words())?;
    let asks_for = asked.headers.get(WWW_AUTHENTICATE).and_then(|value| Challenge::parse(value.to_str().ok()?));
    let mut challenge = asks_for
        .filter(|it| asked.status == StatusCode::UNAUTHORIZED && it.scheme == "Bearer")
        .ok_or("no token can expire at a registry that asks for none")?;
    challenge.parameters.retain(|(name, _)| matches!(name.as_str(), "realm" | "service"));
    if let Some(scope) = operation.and_then(|operation| scope(operation, &head.method, head.uri.query())) {
        challenge.parameters.push(("scope".to_owned(), scope));
    }
    challenge.parameters.push(("error".to_owned(), "invalid_token".to_owned()));
    let value = HeaderValue::try_from(challenge.to_string()).map_err(|error| error.to_string())?;
    Ok(Answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
        .header(WWW_AUTHENTICATE, value)
        .header(API_VERSION, API_VERSION_2))
}

/// What the reference registry wants a token to be good for (distribution 2.8, `appendAccessRecords`).
fn scope(operation: &Operation, method: &Method, query: Option<&str>) -> Option<String> {
    if operation.kind == Kind::Catalog {
        return Some("registry:catalog:*".to_owned());
    }
    let actions = match *method {
        Method::GET | Method::HEAD => "pull",
        Method::DELETE => "delete",
        _ => "pull,push",
    };
    let scope = format!("repository:{}:{actions}", operation.repository.as_ref()?);
    let from = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "from");
    Some(match from {
        Some((_, from)) => format!("{scope} repository:{from}:pull"),
        None => scope,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::history::{Service, classify};

    #[rstest]
    #[case("GET", "/v2/", None)]
    #[case("GET", "/v2/_catalog", Some("registry:catalog:*"))]
    #[case("HEAD", "/v2/acme/hello/blobs/sha256:1", Some("repository:acme/hello:pull"))]
    #[case("PUT", "/v2/acme/hello/manifests/latest", Some("repository:acme/hello:pull,push"))]
    #[case("DELETE", "/v2/acme/hello/manifests/sha256:1", Some("repository:acme/hello:delete"))]
    #[case(
        "POST",
        "/v2/acme/hello/blobs/uploads/?mount=sha256:1&from=acme%2Fa",
        Some("repository:acme/hello:pull,push repository:acme/a:pull")
    )]
    fn scopes(#[case] method: &str, #[case] path: &str, #[case] expected: Option<&str>) {
        let method = method.parse().unwrap();
        let operation = classify(Service::Registry, &method, path).unwrap();
        let query = path.split_once('?').map(|(_, query)| query);
        assert_eq!(scope(&operation, &method, query).as_deref(), expected);
    }
}
