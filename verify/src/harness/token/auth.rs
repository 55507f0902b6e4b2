//! What a registry needs to know about its token service: where it is, and whose tokens to believe.

use std::time::SystemTime;

use super::{jwt::Verifier, scope::Access};

/// A registry's authentication by tokens.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Where clients are sent for a token. It may name a proxy before the token service.
    pub realm: String,
    /// The certificate of the authority behind the tokens' signer, PEM.
    pub authority: String,
    pub(super) verifier: Verifier,
}

/// Why a request is refused, in the words of the challenge (RFC 6750, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No token was sent.
    Missing,
    /// The token is not to be believed, or not any more.
    Invalid,
    /// The token is good, but not for this.
    Insufficient,
}

impl Refusal {
    /// The word in the challenge.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::Invalid => Some("invalid_token"),
            Self::Insufficient => Some("insufficient_scope"),
        }
    }
}

impl Auth {
    /// What the registry is called at the token service.
    pub fn service(&self) -> &str {
        &self.verifier.service
    }

    /// Who issues the tokens.
    pub fn issuer(&self) -> &str {
        &self.verifier.issuer
    }

    /// Whether the value of an `Authorization` header is enough for what is wanted.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, authorization: Option<&str>, wanted: &[Access]) -> Result<(), Refusal> {
        let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(Refusal::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Missing);
        }
        let held = self.verifier.verify(token.trim(), SystemTime::now()).ok_or(Refusal::Invalid)?;
        let enough = wanted.iter().all(|wanted| held.iter().any(|held| held.covers(wanted)));
        if enough { Ok(()) } else { Err(Refusal::Insufficient) }
    }

    /// The value of the `WWW-Authenticate` header that goes with a refusal.
    pub fn challenge(&self, refusal: Refusal, wanted: &[Access]) -> String {
        let mut challenge = format!("Bearer realm=\"{}\",service=\"{}\"", self.realm, self.service());
        if !wanted.is_empty() {
            let scopes: Vec<String> = wanted.iter().map(Access::to_string).collect();
            challenge = format!("{challenge},scope=\"{}\"", scopes.join(" "));
        }
        match refusal.error() {
            Some(error) => format!("{challenge},error=\"{error}\""),
            None => challenge,
        }
    }
}
