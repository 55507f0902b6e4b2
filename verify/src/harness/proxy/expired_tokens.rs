//! Tokens that are treated as expired before their time. One that was expired once stays expired.
//!
//! Its requests are forwarded with a token that no registry accepts, so the refusal, with its challenge, is the registry's own.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};
use sha2::{Digest as _, Sha256};

use super::table::ActiveRule;

/// Takes the place of an expired token.
const EXPIRED: HeaderValue = HeaderValue::from_static("Bearer expired");

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

    /// Replaces a request's token if it is expired. The name of the rule that has expired it.
    pub(super) fn replace(&self, headers: &mut HeaderMap) -> Option<String> {
        let hash = hash(headers)?;
        let expired = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, rule) = expired.iter().find(|(token, rule)| *token == hash && !rule.is_released())?;
        headers.insert(AUTHORIZATION, EXPIRED);
        Some(rule.rule.name.clone())
    }
}

fn hash(headers: &HeaderMap) -> Option<Hash> {
    Some(Sha256::digest(headers.get(AUTHORIZATION)?.as_bytes()).into())
}
