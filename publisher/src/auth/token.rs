//! Gets one token from a token server (distribution specification, "token authentication" and "OAuth 2").
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
use serde::Deserialize;
use tokio::time::Instant;

use super::{AuthError, Credential, Scope, challenge::Bearer};
use crate::http::{ANSWER_TIMEOUT, Redactor, Refusal, RequestError, Verdict, read_answer};

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
        let answer: Answer = serde_json::from_slice(body).map_err(|_| "its answer is no token document")?;
        let given = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        let text = given.ok_or("its answer holds no token")?;
        let mut header = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|_| "its answer holds a token that does not fit in a header")?;
        header.set_sensitive(true);
        let said = answer.expires_in.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        Ok(Self { header, stale_at: Instant::now() + usable(said.map_or(LIFETIME_DEFAULT, Duration::from_secs)) })
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
}

/// How long a token with this lifetime is used.
fn usable(lifetime: Duration) -> Duration {
    let lifetime = lifetime.min(LIFETIME_MAX);
    lifetime.saturating_sub(REFRESH_MARGIN.min(lifetime / 2))
}

/// Asks the token server of `bearer` for a token that allows `scope`.
pub(super) async fn fetch(
    http: Client,
    credential: Credential,
    bearer: Bearer,
    scope: Scope,
) -> Result<Token, AuthError> {
    let server = server_of(&bearer);
    let failed = |error| AuthError::Token { server: server.clone(), source: Arc::new(error) };
    let request = request(&http, &credential, &bearer, &scope).timeout(ANSWER_TIMEOUT);
    let response = request.send().await.map_err(|error| failed(error.into()))?;
    let status = response.status();
    if status.is_success() {
        let body = read_answer(response, ANSWER_MAX).await.map_err(failed)?;
        return Token::read(&body).map_err(|what| failed(RequestError::Protocol(what.into())));
    }
    let refusal = Refusal::of(response, &Redactor::new(credential.secrets())).await;
    let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let error = RequestError::Refused(Box::new(refusal));
    match (Verdict::of(&error, SystemTime::now()), error) {
        (Verdict::Never, RequestError::Refused(refusal)) if is_denied => {
            Err(AuthError::Denied { server, anonymous: credential.is_anonymous(), source: Arc::new(*refusal) })
        }
        (_, error) => Err(failed(error)),
    }
}

/// The token server's host, with its port where it has one.
pub(super) fn server_of(bearer: &Bearer) -> String {
    let host = bearer.realm.host_str().unwrap_or_default();
    bearer.realm.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A GET with the scopes in the query; an identity token is exchanged with a POST, which keeps it out of the address.
fn request(http: &Client, credential: &Credential, bearer: &Bearer, scope: &Scope) -> RequestBuilder {
    let service = bearer.service.iter().map(|service| ("service", service.as_str()));
    if let Credential::IdentityToken(refresh_token) = credential {
        let scope = scope.to_string();
        let grant = [
            ("scope", scope.as_str()),
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", refresh_token.expose()),
        ];
        return http.post(bearer.realm.clone()).form(&service.chain(grant).collect::<Vec<_>>());
    }
    let scopes = scope.parts().iter().map(|part| ("scope", part.as_str()));
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
    #[case("<html>canary", "its answer is no token document")]
    #[case(r#"{"expires_in":"canary"}"#, "its answer is no token document")]
    #[case("{}", "its answer holds no token")]
    #[case(r#"{"token":"","access_token":""}"#, "its answer holds no token")]
    #[case(r#"{"token":"canary\n"}"#, "its answer holds a token that does not fit in a header")]
    fn what_is_no_token_is_refused_without_being_quoted(#[case] body: &str, #[case] why: &str) {
        assert_eq!(Token::read(body.as_bytes()).unwrap_err(), why);
    }
}
