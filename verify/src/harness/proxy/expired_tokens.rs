//! Tokens that are treated as expired before their time.
//!
//! A token that was expired once stays expired. The challenge is the registry's own, with its realm and service, and
//! `error="invalid_token"` (RFC 6750, 3.1), as distribution writes it.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, WWW_AUTHENTICATE},
    http::request,
};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{answer::Answer, request_body::RequestBody, table::ActiveRule, upstream};
use crate::history::{Challenge, Kind, Operation};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const API_VERSION_2: HeaderValue = HeaderValue::from_static("registry/2.0");

type Hash = [u8; 32];

/// The tokens that are expired, as hashes, and the rules that did it.
#[derive(Default)]
pub(super) struct ExpiredTokens(Mutex<Vec<(Hash, Arc<ActiveRule>)>>);

impl ExpiredTokens {
    /// Treats a request's token as expired from now on.
    pub(super) fn add(&self, headers: &HeaderMap, rule: Arc<ActiveRule>) {
        if let Some(hash) = hash(headers) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((hash, rule));
        }
    }

    /// The name of the rule that has expired a request's token.
    pub(super) fn rule(&self, headers: &HeaderMap) -> Option<String> {
        let hash = hash(headers)?;
        let expired = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, rule) = expired.iter().find(|(token, rule)| *token == hash && !rule.is_released())?;
        Some(rule.rule.name.clone())
    }
}

fn hash(headers: &HeaderMap) -> Option<Hash> {
    Some(Sha256::digest(headers.get(AUTHORIZATION)?.as_bytes()).into())
}

/// The registry's answer to an expired token; an error in words if it wants no tokens.
pub(super) async fn answer(host: &str, head: &request::Parts, operation: Option<&Operation>) -> Result<Answer, String> {
    let mut request = Request::get("/v2/").body(RequestBody::empty()).map_err(|error| error.to_string())?;
    if let Some(name) = head.headers.get(HOST) {
        request.headers_mut().insert(HOST, name.clone());
    }
    let answer = upstream::ask(host, request).await?;
    let challenge = answer.headers.get(WWW_AUTHENTICATE).and_then(|value| Challenge::parse(value.to_str().ok()?));
    let mut challenge = challenge
        .filter(|it| answer.status == StatusCode::UNAUTHORIZED && it.scheme == "Bearer")
        .ok_or("no token can expire at a registry that wants none")?;
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

/// The scope that distribution 2.8 asks for (`appendAccessRecords`).
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
