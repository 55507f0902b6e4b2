//! Answers to a registry's challenge (RFC 6750, section 3): HTTP Basic, or a token of the token service that the challenge
//! names (distribution's token specification).

use serde_json::Value;
use url::Url;

use super::{ClientError, IDENTITY_TOKEN_USER, Repository, error::is_temporary, repository::is_local};
use crate::history::Challenge;

/// This program's name for token services.
const CLIENT_ID: &str = "tallyman-verify";
/// The name of the request in errors.
const WHAT: &str = "a token";

/// What is sent with each request.
#[derive(Debug, Clone, Default)]
pub(super) enum Authorization {
    #[default]
    None,
    Basic,
    Bearer(String),
}

/// What to send after a challenge. None if it cannot be answered: then the registry's refusal stands.
pub(super) async fn answer(
    http: &reqwest::Client,
    repository: &Repository,
    challenge: &Challenge,
) -> Result<Option<Authorization>, ClientError> {
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        return Ok(repository.credentials.as_ref().map(|_| Authorization::Basic));
    }
    let realm = challenge.get("realm").filter(|_| challenge.scheme.eq_ignore_ascii_case("bearer"));
    let Some(realm) = realm.and_then(|realm| Url::parse(realm).ok()) else { return Ok(None) };
    let host = realm.host_str().unwrap_or_default().to_owned();
    let scope = challenge.get("scope").map_or_else(|| repository.scope(), str::to_owned);
    let mut parameters = vec![("scope", scope)];
    parameters.extend(challenge.get("service").map(|service| ("service", service.to_owned())));
    let request = match &repository.credentials {
        None => http.get(realm).query(&parameters),
        Some(_) if !may_have_password(&realm, repository) => {
            return Err(ClientError::InsecureRealm { host: repository.host.clone(), realm: host });
        }
        Some(it) if it.user == IDENTITY_TOKEN_USER => {
            parameters.push(("grant_type", "refresh_token".to_owned()));
            parameters.push(("refresh_token", it.password.clone()));
            parameters.push(("client_id", CLIENT_ID.to_owned()));
            http.post(realm).form(&parameters)
        }
        Some(it) => http.get(realm).query(&parameters).basic_auth(&it.user, Some(&it.password)),
    };
    let unreachable = |source: reqwest::Error| ClientError::Unreachable {
        host: host.clone(),
        what: WHAT.to_owned(),
        source: source.without_url(),
    };
    let answer = request.send().await.map_err(unreachable)?;
    if is_temporary(answer.status()) {
        return Err(ClientError::status(&host, WHAT, &answer));
    }
    if !answer.status().is_success() {
        return Ok(None);
    }
    let answer: Value = serde_json::from_slice(&answer.bytes().await.map_err(unreachable)?).unwrap_or_default();
    match answer["token"].as_str().or(answer["access_token"].as_str()) {
        Some(token) => Ok(Some(Authorization::Bearer(token.to_owned()))),
        None => Err(ClientError::Malformed { host, what: WHAT.to_owned(), problem: "no token in it".to_owned() }),
    }
}

/// A password goes over TLS, stays on this machine, or follows a user who chose a registry without TLS.
fn may_have_password(realm: &Url, repository: &Repository) -> bool {
    realm.scheme() == "https"
        || realm.host_str().is_some_and(is_local)
        || (!repository.uses_tls() && !repository.is_local())
}
