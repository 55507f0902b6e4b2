//! Answers a registry's challenges and keeps its tokens.

use std::collections::HashMap;

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use reqwest::{
    Client, Url,
    header::{HeaderMap, HeaderValue},
};
use tokio::sync::Mutex;

use super::{
    AuthError, ChallengeError, Credential, Scope,
    challenge::{Bearer, Challenge},
    token::{self, Token},
};
use crate::http::Redactor;

/// One for each registry; shared by all requests to it.
pub struct Authorizer {
    http: Client,
    credential: Credential,
    allow_http: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the registry wanted last.
    challenge: Option<Challenge>,
    tokens: HashMap<Scope, Slot>,
}

/// A token being fetched or received, which all who need it share: twenty uploads that start at once log in once.
type Fetch = Shared<BoxFuture<'static, Result<Token, AuthError>>>;

/// What is known of one scope.
struct Slot {
    /// What the token server is asked for: the scope and what the registry said is lacking.
    asked: Scope,
    fetch: Option<Fetch>,
}

impl Authorizer {
    /// Knows nothing of the registry yet. `allow_http` says that the registry itself is spoken to without TLS, so that
    /// its token server may be too.
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
        let slot = state.tokens.entry(scope.clone()).or_insert_with(|| Slot::new(scope));
        let fetch = slot.usable().unwrap_or_else(|| self.fetch(bearer, slot));
        drop(state);
        fetch.await.map(|token| Some(token.header))
    }

    /// Takes the headers of a 401: remembers the challenge and forgets the token that was refused. `refused` is the
    /// header that the request carried, if any. Says whether sending the request again can help: not when a password
    /// was refused, when there is none, or when a token lacks what it was asked for all the same.
    ///
    /// A new token may be refused like the old one. The caller sends a request once more and no oftener.
    ///
    /// # Errors
    /// [`AuthError::Challenge`] when the registry's demand cannot be met, [`AuthError::InsecureRealm`] when it must not.
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
                let slot = state.tokens.entry(scope.clone()).or_insert_with(|| Slot::new(scope));
                slot.refused(refused, bearer.lacking.as_deref())
            }
        };
        state.challenge = Some(challenge);
        Ok(again)
    }

    /// Takes out of an answer what is secret about us, and the header that its request carried.
    pub(crate) fn redactor(&self, carried: Option<&HeaderValue>) -> Redactor {
        let mut secrets = self.credential.secrets();
        let token = carried.and_then(|header| header.to_str().ok()?.split_once(' ')).map(|(_, token)| token.to_owned());
        secrets.extend(token);
        Redactor::new(secrets)
    }

    fn fetch(&self, bearer: Bearer, slot: &mut Slot) -> Fetch {
        let fetch = token::fetch(self.http.clone(), self.credential.clone(), bearer, slot.asked.clone());
        slot.fetch.insert(fetch.boxed().shared()).clone()
    }

    /// A password goes to a token server over TLS, to this machine, or where no TLS is the user's wish.
    fn check(&self, bearer: &Bearer) -> Result<(), AuthError> {
        match bearer.realm.scheme() {
            "https" => Ok(()),
            "http" if self.allow_http || is_loopback(&bearer.realm) => Ok(()),
            "http" => Err(AuthError::InsecureRealm { server: token::server_of(bearer) }),
            _ => Err(ChallengeError::Realm.into()),
        }
    }
}

impl Slot {
    fn new(scope: &Scope) -> Self {
        Self { asked: scope.clone(), fetch: None }
    }

    /// A fetch that is under way, a token that is fresh, or a refusal that is final.
    fn usable(&self) -> Option<Fetch> {
        let good = |result: &Result<Token, AuthError>| match result {
            Ok(token) => token.is_fresh(),
            Err(error) => error.request().is_none(),
        };
        self.fetch.clone().filter(|fetch| fetch.peek().is_none_or(good))
    }

    /// Whether another token than `refused` is to be had.
    fn refused(&mut self, refused: Option<&HeaderValue>, lacking: Option<&str>) -> bool {
        let current = self.fetch.as_ref().and_then(|fetch| fetch.peek()).and_then(|result| result.as_ref().ok());
        let is_current = current.is_some_and(|token| Some(&token.header) == refused);
        if !is_current {
            // None was sent, or another request's 401 came first and there is a new one already.
            return true;
        }
        let again = lacking.is_none_or(|lacking| self.asked.merge(lacking));
        if again {
            self.fetch = None;
        }
        again
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
