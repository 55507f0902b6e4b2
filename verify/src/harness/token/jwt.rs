//! JSON web tokens, signed with ES256 (RFC 7515, RFC 7518 3.4), that carry the signer's certificate (`x5c`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

use super::access::Access;
use crate::harness::{
    error::HarnessError,
    tls::{Authority, MAKE_KEYS},
};

/// How long after its end distribution 2.8 still accepts a token (registry/auth/token/token.go). All times in our tokens are
/// this much earlier, so that a token lives as long as it says.
const LEEWAY_S: u64 = 60;

/// Makes tokens.
pub(super) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// The first part of every token.
    header: String,
    /// The certificate of the authority behind the signer, PEM.
    pub(super) authority: String,
}

impl Signer {
    /// A signer with a new key.
    pub(super) fn new() -> Result<Self, HarnessError> {
        let authority = Authority::new()?;
        let identity = authority.issue("tallyman verify token service")?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &identity.key, &random)
            .map_err(|error| HarnessError::other(MAKE_KEYS)(error.to_string()))?;
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&identity.certificate)]});
        Ok(Self { key, random, header: URL_SAFE_NO_PAD.encode(header.to_string()), authority: authority.pem() })
    }

    /// A token (distribution: docs/spec/auth/jwt.md), valid from `now` for `lifetime`, rounded up to whole seconds. None for a
    /// time before 1970.
    pub(super) fn sign(
        &self,
        issuer: &str,
        service: &str,
        access: &[Access],
        now: SystemTime,
        lifetime: Duration,
    ) -> Option<String> {
        let since = now.duration_since(UNIX_EPOCH).ok()?;
        let end = (since + lifetime).as_nanos().div_ceil(Duration::from_secs(1).as_nanos());
        let begin = since.as_secs() - LEEWAY_S;
        let claims = json!({
            "iss": issuer,
            "sub": "",
            "aud": service,
            "exp": u64::try_from(end).ok()? - LEEWAY_S,
            "nbf": begin,
            "iat": begin,
            "jti": format!("{:016x}", fastrand::u64(..)),
            "access": access,
        });
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
