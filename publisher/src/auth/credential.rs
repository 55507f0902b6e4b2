//! A credential for a registry.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;

/// A password or token. It cannot be displayed, and `Debug` hides it; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for sending it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The account that is used with one registry.
#[expect(missing_docs, reason = "the variants say what their fields are")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// No account: enough to pull public images.
    Anonymous,
    /// A user name with a password or an access token.
    Basic { username: String, password: Secret },
    /// A refresh token that is exchanged for access tokens (OAuth 2), as `docker login` keeps it for some registries.
    IdentityToken(Secret),
}

impl Credential {
    /// A user name with a password.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic { username: username.into(), password: Secret::new(password) }
    }

    /// Whether there is no account.
    pub fn is_anonymous(&self) -> bool {
        *self == Self::Anonymous
    }

    /// The `Authorization` header for a user name and a password (RFC 7617); [`None`] without them.
    pub(super) fn basic_header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::try_from(format!("Basic {}", self.encoded()?)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Every form in which a server may repeat the secret.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secret = match self {
            Self::Anonymous => None,
            Self::Basic { password: secret, .. } | Self::IdentityToken(secret) => Some(secret.expose().to_owned()),
        };
        secret.into_iter().chain(self.encoded()).filter(|text| !text.is_empty()).collect()
    }

    /// `base64(user:password)`, as in headers and auth files; [`None`] without a password.
    pub(super) fn encoded(&self) -> Option<String> {
        let Self::Basic { username, password } = self else { return None };
        Some(BASE64_STANDARD.encode(format!("{username}:{}", password.expose())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_and_a_password_make_the_header_of_rfc_7617() {
        // The example of RFC 7617, section 2.
        let header = Credential::basic("Aladdin", "open sesame").basic_header().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(header.is_sensitive());
    }

    #[test]
    fn debug_tells_the_user_name_but_no_secret() {
        let shown =
            format!("{:?}", [Credential::basic("ann", "canary"), Credential::IdentityToken(Secret::new("canary"))]);
        insta::assert_snapshot!(shown, @r#"[Basic { username: "ann", password: Secret(…) }, IdentityToken(Secret(…))]"#);
    }
}
