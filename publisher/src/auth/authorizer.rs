//! Answers a registry's challenges (RFC 9110, sections 11.2 to 11.6.1) and keeps its tokens.

use std::collections::HashMap;

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http_auth::{ChallengeRef, parse_challenges};
use reqwest::{
    Client, Url,
    header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use tokio::sync::Mutex;

use super::{
    AuthError, Credential, Scope,
    token::{self, Token},
};
use crate::oci::is_loopback;

/// Authorizes the requests to one registry; shared by all of them.
pub struct Authorizer {
    http: Client,
    credential: Credential,
    allow_http: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The registry's last challenge.
    challenge: Option<Challenge>,
    tokens: HashMap<Scope, CachedToken>,
}

/// A token that is being fetched or was received. All requests that need it share it: twenty uploads that start at once
/// log in once.
type Fetch = Shared<BoxFuture<'static, Result<Token, AuthError>>>;

/// The token for one scope.
struct CachedToken {
    /// What the token server is asked for: the scope and what the registry said is lacking.
    requested: Scope,
    fetch: Option<Fetch>,
}

impl Authorizer {
    /// An authorizer that has seen no challenge yet. `allow_http` says that the registry itself has no TLS, so that its
    /// token server needs none either.
    pub fn new(http: Client, credential: Credential, allow_http: bool) -> Self {
        Self { http, credential, allow_http, state: Mutex::default() }
    }

    /// The `Authorization` header, marked as sensitive, for a request that needs `scope`; [`None`] while the registry
    /// has not asked for any, or when there is no password to answer a `Basic` challenge with.
    ///
    /// # Errors
    /// [`AuthError::Denied`] when the token server refuses us, which is remembered and not asked again;
    /// [`AuthError::Token`] when there is no token for another reason.
    pub async fn header(&self, scope: &Scope) -> Result<Option<HeaderValue>, AuthError> {
        let mut state = self.state.lock().await;
        let bearer = match &state.challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => return Ok(self.credential.basic_header()),
            Some(Challenge::Bearer(bearer)) => bearer.clone(),
        };
        let token = CachedToken::of(&mut state.tokens, scope);
        // A fetch that is under way, a token that is fresh, or a refusal that is final.
        let is_good = |result: &Result<Token, AuthError>| match result {
            Ok(token) => token.is_fresh(),
            Err(error) => error.request().is_none(),
        };
        let usable = token.fetch.clone().filter(|fetch| fetch.peek().is_none_or(is_good));
        let fetch = usable.unwrap_or_else(|| {
            let request = token::request(&self.http, &self.credential, &bearer, &token.requested);
            let fetch = token::fetch(request, bearer.server(), self.credential.clone());
            token.fetch.insert(fetch.boxed().shared()).clone()
        });
        drop(state);
        fetch.await.map(|token| Some(token.header))
    }

    /// Handles the headers of a 401: keeps the challenge and drops the token that was refused. `refused` is the header
    /// of the request, if any. Returns whether sending the request again can help: not when a password was refused, when
    /// there is none, or when the token was requested with the scope that it lacks.
    ///
    /// A new token may be refused like the old one. The caller sends a request once more and no oftener.
    ///
    /// # Errors
    /// [`AuthError::Challenge`] when the challenge cannot be answered, [`AuthError::InsecureRealm`] when it must not be.
    pub async fn challenged(
        &self,
        scope: &Scope,
        headers: &HeaderMap,
        refused: Option<&HeaderValue>,
    ) -> Result<bool, AuthError> {
        let challenge = Challenge::of(headers)?;
        let mut state = self.state.lock().await;
        let again = match &challenge {
            Challenge::Basic => self.credential.basic_header().is_some_and(|header| Some(&header) != refused),
            Challenge::Bearer(bearer) => {
                // A credential goes to a token server over TLS, to this machine, or where the user allows plain HTTP.
                let may_be_plain = self.allow_http || bearer.realm.host_str().is_some_and(is_loopback);
                if !matches!((bearer.realm.scheme(), may_be_plain), ("https", _) | ("http", true)) {
                    return Err(AuthError::InsecureRealm { server: bearer.server() });
                }
                CachedToken::of(&mut state.tokens, scope).refused(refused, bearer.lacking.as_deref())
            }
        };
        state.challenge = Some(challenge);
        Ok(again)
    }

    /// What an answer must be redacted of: the credential, and the token in the header that was sent.
    pub(crate) fn secrets(&self, sent: Option<&HeaderValue>) -> Vec<String> {
        let token = sent.and_then(|header| header.to_str().ok()?.split_once(' '));
        self.credential.secrets().into_iter().chain(token.map(|(_, token)| token.to_owned())).collect()
    }
}

impl CachedToken {
    fn of<'a>(tokens: &'a mut HashMap<Scope, Self>, scope: &Scope) -> &'a mut Self {
        tokens.entry(scope.clone()).or_insert_with(|| Self { requested: scope.clone(), fetch: None })
    }

    /// Drops the refused token; whether there is or can be another one.
    fn refused(&mut self, refused: Option<&HeaderValue>, lacking: Option<&str>) -> bool {
        let current = self.fetch.as_ref().and_then(|fetch| fetch.peek()).and_then(|result| result.as_ref().ok());
        if current.is_none_or(|token| Some(&token.header) != refused) {
            // None was sent, or another request's 401 came first and there is a new one already.
            return true;
        }
        let can_help = lacking.is_none_or(|lacking| self.requested.merge(lacking));
        self.fetch.take_if(|_| can_help);
        can_help
    }
}

/// A challenge that can be answered.
#[derive(Debug)]
pub(super) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from a token server.
    Bearer(Bearer),
}

/// Where to get a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The token server.
    pub(super) realm: Url,
    /// The name of the registry there.
    pub(super) service: Option<String>,
    /// The scope that a token lacked, present if the registry refused it for that reason.
    pub(super) lacking: Option<String>,
}

impl Challenge {
    /// The challenge to answer: `Bearer` where it is offered, else `Basic`. The header's text is in no error.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, AuthError> {
        let mut challenges = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let parsed = value.to_str().ok().and_then(|text| parse_challenges(text).ok());
            challenges.extend(parsed.ok_or(AuthError::Challenge("its WWW-Authenticate header cannot be read"))?);
        }
        let of_scheme = |scheme: &str| challenges.iter().find(|known| known.scheme.eq_ignore_ascii_case(scheme));
        match of_scheme("Bearer") {
            Some(challenge) => Bearer::read(challenge).map(Self::Bearer),
            None if of_scheme("Basic").is_some() => Ok(Self::Basic),
            None => Err(AuthError::Challenge("it offers neither a token server nor Basic authentication")),
        }
    }
}

impl Bearer {
    fn read(challenge: &ChallengeRef<'_>) -> Result<Self, AuthError> {
        let parameter = |name: &str| {
            let (_, value) = challenge.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped())
        };
        let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok()).filter(Url::has_host);
        let lacks_scope = parameter("error").as_deref() == Some("insufficient_scope");
        Ok(Self {
            realm: realm.ok_or(AuthError::Challenge("its challenge names no usable token server"))?,
            service: parameter("service"),
            lacking: parameter("scope").filter(|_| lacks_scope),
        })
    }

    /// The token server's host, with its port where it has one.
    pub(super) fn server(&self) -> String {
        let host = self.realm.host_str().unwrap_or_default();
        self.realm.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests;
