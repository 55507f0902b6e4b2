//! Answers a registry's challenges and keeps its tokens.

use std::collections::HashMap;

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use reqwest::{
    Client,
    header::{HeaderMap, HeaderValue},
};
use tokio::sync::Mutex;

use super::{
    AuthError, Credential, Scope,
    challenge::{Bearer, Challenge},
    token::{self, Token},
};
use crate::{http::Redactor, oci::is_loopback};

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
        let token = state.token(scope);
        let fetch = token.usable().unwrap_or_else(|| {
            let fetch = token::fetch(self.http.clone(), self.credential.clone(), bearer, token.requested.clone());
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
                self.check(bearer)?;
                state.token(scope).refused(refused, bearer.lacking.as_deref())
            }
        };
        state.challenge = Some(challenge);
        Ok(again)
    }

    /// Redacts the credential, and the token in the header that was sent, in an answer.
    pub(crate) fn redactor(&self, sent: Option<&HeaderValue>) -> Redactor {
        let mut secrets = self.credential.secrets();
        let token = sent.and_then(|header| header.to_str().ok()?.split_once(' '));
        secrets.extend(token.map(|(_, token)| token.to_owned()));
        Redactor::new(secrets)
    }

    /// A credential goes to a token server over TLS, to this machine, or where the user allows plain HTTP.
    fn check(&self, bearer: &Bearer) -> Result<(), AuthError> {
        match bearer.realm.scheme() {
            "https" => Ok(()),
            "http" if self.allow_http || bearer.realm.host_str().is_some_and(is_loopback) => Ok(()),
            "http" => Err(AuthError::InsecureRealm { server: token::server_of(bearer) }),
            _ => Err(AuthError::Challenge("its challenge names no usable token server".into())),
        }
    }
}

impl State {
    fn token(&mut self, scope: &Scope) -> &mut CachedToken {
        self.tokens.entry(scope.clone()).or_insert_with(|| CachedToken { requested: scope.clone(), fetch: None })
    }
}

impl CachedToken {
    /// A fetch that is under way, a token that is fresh, or a refusal that is final.
    fn usable(&self) -> Option<Fetch> {
        let is_good = |result: &Result<Token, AuthError>| match result {
            Ok(token) => token.is_fresh(),
            Err(error) => error.request().is_none(),
        };
        self.fetch.clone().filter(|fetch| fetch.peek().is_none_or(is_good))
    }

    /// Drops the refused token; whether there is or can be another one.
    fn refused(&mut self, refused: Option<&HeaderValue>, lacking: Option<&str>) -> bool {
        let current = self.fetch.as_ref().and_then(|fetch| fetch.peek()).and_then(|result| result.as_ref().ok());
        if current.is_none_or(|token| Some(&token.header) != refused) {
            // None was sent, or another request's 401 came first and there is a new one already.
            return true;
        }
        let can_help = lacking.is_none_or(|lacking| self.requested.merge(lacking));
        if can_help {
            self.fetch = None;
        }
        can_help
    }
}

#[cfg(test)]
mod tests;
