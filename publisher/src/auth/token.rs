//! Gets one token from a token server (distribution specification, "token authentication", "token scope" and "OAuth 2").
//!
//! One request without retries: [`AuthError::request`] carries the failure to the layer that retries.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{AuthError, Credential, authorizer::Bearer};
use crate::http::{ANSWER_TIMEOUT, RequestError, read_answer, retry_after};

/// How long a token is good for when the server does not say.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60);
/// The longest that a token is believed to be good for.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a token is replaced, so that none expires on its way; half of its life if that is shorter.
const REFRESH_MARGIN: Duration = Duration::from_secs(10);
/// How much of a token server's answer is read, in bytes. Real tokens have a few thousand.
const ANSWER_MAX: usize = 256 * 1024;
/// The name of this client for OAuth 2.
const CLIENT_ID: &str = "tallyman-publisher";

/// A resource with actions, `repository:acme/hello:pull,push`; several, with spaces between them, where a request touches
/// several repositories.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(pub(super) String);

impl Scope {
    /// To read from a repository, given by its name on the registry, and to write to it.
    pub fn push(name: &str) -> Self {
        Self(format!("repository:{name}:pull,push"))
    }

    /// To link a blob of the repository `from` into `name`: it takes the right to read the source.
    pub fn mount(name: &str, from: &str) -> Self {
        Self(format!("repository:{name}:pull,push repository:{from}:pull"))
    }

    /// To remove manifests of a repository.
    pub fn delete(name: &str) -> Self {
        Self(format!("repository:{name}:pull,delete"))
    }

    /// Adds the parts of `wanted`, the scope of a challenge, that are not there yet; whether there were any.
    pub(super) fn merge(&mut self, wanted: &str) -> bool {
        let length = self.0.len();
        for part in wanted.split_ascii_whitespace() {
            if !self.0.split(' ').any(|known| known == part) {
                self.0 = format!("{} {part}", self.0);
            }
        }
        self.0.len() > length
    }
}

/// A token for a registry.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// The value for the `Authorization` header, marked as sensitive.
    pub(super) header: HeaderValue,
    stale_at: Instant,
}

impl Token {
    /// Whether it can be used for a request that starts now.
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.stale_at
    }

    /// Reads a token server's answer. The time counts from the receipt: `issued_at` is another clock.
    fn read(body: &[u8]) -> Result<Self, &'static str> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| "its answer is no JSON")?;
        let mut given = ["token", "access_token"].iter().filter_map(|name| answer[name].as_str());
        let text = given.find(|token| !token.is_empty()).ok_or("its answer holds no token")?;
        let mut header = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|_| "its answer holds a token that does not fit in a header")?;
        header.set_sensitive(true);
        let lifetime = answer["expires_in"].as_u64().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let lifetime = lifetime.unwrap_or(LIFETIME_DEFAULT).min(LIFETIME_MAX);
        Ok(Self { header, stale_at: Instant::now() + lifetime.saturating_sub(REFRESH_MARGIN.min(lifetime / 2)) })
    }
}

/// Asks a token server for a token: sends a [`request`].
pub(super) async fn fetch(request: RequestBuilder, server: String, credential: Credential) -> Result<Token, AuthError> {
    let failed = |error| AuthError::Token { server: server.clone(), source: Arc::new(error) };
    let response = request.timeout(ANSWER_TIMEOUT).send().await.map_err(|error| failed(error.into()))?;
    if response.status().is_success() {
        let body = read_answer(response, ANSWER_MAX).await.map_err(failed)?;
        return Token::read(&body).map_err(|what| failed(RequestError::Protocol(what.into())));
    }
    let is_denied = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let error = RequestError::refused(response, &credential.secrets()).await;
    if is_denied && retry_after(&error, SystemTime::now()).is_none() {
        return Err(AuthError::Denied { server, anonymous: credential.is_anonymous(), source: Arc::new(error) });
    }
    Err(failed(error))
}

/// Asks the token server of `bearer` for a token that allows `scope`.
///
/// A GET with the scopes in the query; an identity token is exchanged with a POST, which keeps it out of the address.
pub(super) fn request(http: &Client, credential: &Credential, bearer: &Bearer, scope: &Scope) -> RequestBuilder {
    let service = bearer.service.iter().map(|service| ("service", service.as_str()));
    if let Credential::IdentityToken(refresh_token) = credential {
        let grant = [
            ("scope", scope.0.as_str()),
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", refresh_token.expose()),
        ];
        return http.post(bearer.realm.clone()).form(&service.chain(grant).collect::<Vec<_>>());
    }
    let scopes = scope.0.split(' ').map(|part| ("scope", part));
    let request = http.get(bearer.realm.clone()).query(&service.chain(scopes).collect::<Vec<_>>());
    match credential.basic_header() {
        Some(header) => request.header(AUTHORIZATION, header),
        None => request,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"token":"t"}"#, "Bearer t", 50)]
    #[case(r#"{"access_token":"a","expires_in":300}"#, "Bearer a", 290)]
    #[case(r#"{"token":"t","access_token":"a","expires_in":20,"issued_at":"1999-01-01T00:00:00Z"}"#, "Bearer t", 10)]
    #[case(r#"{"token":"","access_token":"a","expires_in":8}"#, "Bearer a", 4)]
    #[case(r#"{"token":"t","expires_in":0}"#, "Bearer t", 50)]
    #[case(r#"{"token":"t","expires_in":-1}"#, "Bearer t", 50)]
    #[case(r#"{"token":"t","expires_in":9223372036854775807}"#, "Bearer t", 86390)]
    #[tokio::test(start_paused = true)]
    async fn answers_are_read(#[case] body: &str, #[case] header: &str, #[case] usable_s: u64) {
        let token = Token::read(body.as_bytes()).unwrap();
        assert_eq!(token.header.to_str().unwrap(), header);
        assert_eq!(token.stale_at - Instant::now(), Duration::from_secs(usable_s));
        assert!(token.is_fresh());
        tokio::time::advance(Duration::from_secs(usable_s)).await;
        assert!(!token.is_fresh());
    }

    #[rstest]
    #[case("<html>canary", "its answer is no JSON")]
    #[case(r#"{"token":["canary"]}"#, "its answer holds no token")]
    #[case("{}", "its answer holds no token")]
    #[case(r#"{"token":"","access_token":""}"#, "its answer holds no token")]
    #[case(r#"{"token":"canary\n"}"#, "its answer holds a token that does not fit in a header")]
    fn what_is_no_token_is_refused_without_being_quoted(#[case] body: &str, #[case] why: &str) {
        assert_eq!(Token::read(body.as_bytes()).unwrap_err(), why);
    }

    #[rstest]
    #[case("repository:a:pull,push", "repository:a:pull,push")]
    #[case("", "repository:a:pull,push")]
    #[case("repository:a:pull,delete", "repository:a:pull,push repository:a:pull,delete")]
    #[case("repository:a:* registry:catalog:*", "repository:a:pull,push repository:a:* registry:catalog:*")]
    fn missing_parts_are_added(#[case] wanted: &str, #[case] merged: &str) {
        let mut scope = Scope::push("a");
        let grew = scope.merge(wanted);
        assert_eq!((scope.0.as_str(), grew), (merged, merged != "repository:a:pull,push"));
        assert!(!scope.merge(wanted), "a second time adds nothing");
    }
}
