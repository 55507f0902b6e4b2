//! JSON web tokens, signed with ES256 (RFC 7515, RFC 7518 3.4), that carry the signer's certificate (`x5c`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use serde::{Deserialize, Serialize};

use super::scope::Access;
use crate::harness::{error::HarnessError, tls::Authority};

/// How long after its time distribution 2.8 still takes a token (registry/auth/token/token.go). All times in our tokens lie
/// in the past by this much, so that a token lives as long as it says.
const LEEWAY_S: u64 = 60;

/// What a token says (distribution: docs/spec/auth/jwt.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    pub(super) access: Vec<Access>,
}

/// Makes tokens.
pub(super) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// The first part of every token.
    header: String,
    issuer: String,
    service: String,
    authority: String,
}

impl Signer {
    /// A signer with a key of its own.
    pub(super) fn new(issuer: &str, service: &str) -> Result<Self, HarnessError> {
        let authority = Authority::new()?;
        let identity = authority.issue("tallyman verify token service")?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &identity.key, &random)
            .map_err(|error| HarnessError::Certificates(error.to_string().into()))?;
        let x5c = STANDARD.encode(&identity.certificate);
        let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [x5c]});
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let (issuer, service, authority) = (issuer.to_owned(), service.to_owned(), authority.pem());
        Ok(Self { key, random, header, issuer, service, authority })
    }

    /// A token for what is granted, valid from now until a lifetime, in whole seconds and at least as long, is over.
    pub(super) fn sign(
        &self,
        subject: &str,
        access: Vec<Access>,
        now: SystemTime,
        lifetime: Duration,
    ) -> Option<String> {
        let since = now.duration_since(UNIX_EPOCH).ok()?;
        let end = (since + lifetime).as_nanos().div_ceil(Duration::from_secs(1).as_nanos());
        let begin = since.as_secs() - LEEWAY_S;
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: subject.to_owned(),
            aud: self.service.clone(),
            exp: u64::try_from(end).ok()? - LEEWAY_S,
            nbf: begin,
            iat: begin,
            jti: format!("{:016x}", fastrand::u64(..)),
            access,
        };
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims).ok()?));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What is needed to believe its tokens.
    pub(super) fn verifier(&self) -> Verifier {
        let key = self.key.public_key().as_ref().to_vec();
        Verifier { key, issuer: self.issuer.clone(), service: self.service.clone() }
    }

    /// The certificate of the authority behind the signer.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

/// Believes the tokens of one signer, as strictly and with the same leeway as distribution 2.8.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    key: Vec<u8>,
    pub(super) issuer: String,
    pub(super) service: String,
}

impl Verifier {
    /// What a token grants at a moment; none if it is not to be believed then.
    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Option<Vec<Access>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key).verify(signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let now = now.duration_since(UNIX_EPOCH).ok()?;
        let in_time = now <= Duration::from_secs(claims.exp + LEEWAY_S)
            && now >= Duration::from_secs(claims.nbf.saturating_sub(LEEWAY_S));
        (in_time && claims.iss == self.issuer && claims.aud == self.service).then_some(claims.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(5);

    fn signer() -> Signer {
        Signer::new("issuer", "service").unwrap()
    }

    fn access() -> Vec<Access> {
        vec![Access::repository("acme/hello", &["pull"])]
    }

    #[rstest::rstest]
    #[case::at_once(0, true)]
    #[case::at_the_end(5_000, true)]
    #[case::after_it(6_001, false)]
    #[case::long_before(-200_000, false)]
    fn a_token_lives_as_long_as_it_says(#[case] later_ms: i64, #[case] believed: bool) {
        let (signer, now) = (signer(), SystemTime::now());
        let token = signer.sign("acme", access(), now, LIFETIME).unwrap();
        let by = Duration::from_millis(later_ms.unsigned_abs());
        let then = if later_ms < 0 { now - by } else { now + by };
        assert_eq!(signer.verifier().verify(&token, then), believed.then(access));
    }

    #[test]
    fn only_its_signers_tokens_are_believed() {
        let (signer, now) = (signer(), SystemTime::now());
        let token = signer.sign("acme", access(), now, LIFETIME).unwrap();
        assert!(Signer::new("issuer", "service").unwrap().verifier().verify(&token, now).is_none());
        assert!(Verifier { issuer: "other".to_owned(), ..signer.verifier() }.verify(&token, now).is_none());
        assert!(Verifier { service: "other".to_owned(), ..signer.verifier() }.verify(&token, now).is_none());
    }

    #[test]
    fn what_was_changed_is_not_believed() {
        let (signer, now) = (signer(), SystemTime::now());
        let token = signer.sign("acme", access(), now, LIFETIME).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap().replace("pull", "push");
        let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims), parts[2]);
        assert!(signer.verifier().verify(&forged, now).is_none());
        for nonsense in ["", "a", "a.b", "a.b.c", "..", &token[..token.len() - 4]] {
            assert!(signer.verifier().verify(nonsense, now).is_none(), "{nonsense}");
        }
    }
}
