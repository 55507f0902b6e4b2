//! Reads `WWW-Authenticate` (RFC 9110, sections 11.2 to 11.6.1) and takes the challenge that this program can answer.
//!
//! A header may carry several challenges, a response several headers.

use http_auth::{ChallengeRef, parse_challenges};
use reqwest::{
    Url,
    header::{HeaderMap, WWW_AUTHENTICATE},
};

use super::AuthError;

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
            challenges.extend(parsed.ok_or(AuthError::Challenge("its WWW-Authenticate header cannot be read".into()))?);
        }
        let of_scheme = |scheme: &str| challenges.iter().find(|known| known.scheme.eq_ignore_ascii_case(scheme));
        if let Some(challenge) = of_scheme("Bearer") {
            return Bearer::read(challenge).map(Self::Bearer);
        }
        if of_scheme("Basic").is_some() {
            return Ok(Self::Basic);
        }
        let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme).collect();
        Err(if schemes.is_empty() {
            AuthError::Challenge("it names no way to authenticate".into())
        } else {
            AuthError::Challenge(format!("it offers only {}", schemes.join(", ")))
        })
    }
}

impl Bearer {
    fn read(challenge: &ChallengeRef<'_>) -> Result<Self, AuthError> {
        let parameter = |name: &str| {
            let known = challenge.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            known.map(|(_, value)| value.to_unescaped())
        };
        let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok()).filter(Url::has_host);
        let lacks_scope = parameter("error").as_deref() == Some("insufficient_scope");
        Ok(Self {
            realm: realm.ok_or(AuthError::Challenge("its challenge names no usable token server".into()))?,
            service: parameter("service"),
            lacking: parameter("scope").filter(|_| lacks_scope),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    fn bearer(values: &[&str]) -> Bearer {
        let Ok(Challenge::Bearer(bearer)) = Challenge::of(&headers(values)) else { panic!("no bearer challenge") };
        bearer
    }

    #[rstest]
    #[case(&[r#"Bearer realm="https://b/t",service="s, \"t\"""#])]
    #[case(&[r#"bEARER Realm="https://b/t", SERVICE="s, \"t\"""#])]
    #[case(&[r#"Basic realm="a", Bearer realm="https://b/t",service="s, \"t\"""#])]
    #[case(&[r#"Basic realm="a""#, r#"Bearer realm="https://b/t",service="s, \"t\"""#])]
    #[case(&[r#"Negotiate, Bearer realm="https://b/t",service="s, \"t\"""#])]
    fn bearer_is_taken_before_others(#[case] values: &[&str]) {
        let (realm, service) = ("https://b/t".parse().unwrap(), Some(r#"s, "t""#.to_owned()));
        assert_eq!(bearer(values), Bearer { realm, service, lacking: None });
    }

    #[test]
    fn basic_is_taken_without_bearer() {
        assert!(matches!(Challenge::of(&headers(&[r#"Negotiate, Basic realm="a""#])), Ok(Challenge::Basic)));
    }

    #[rstest]
    #[case(&[], "it names no way to authenticate")]
    #[case(&[r#"Bearer realm="canary"#], "its WWW-Authenticate header cannot be read")]
    #[case(&["<html>"], "its WWW-Authenticate header cannot be read")]
    #[case(&[r#"realm="a""#], "its WWW-Authenticate header cannot be read")]
    #[case(&["Negotiate", r#"Digest realm="a""#], "it offers only Negotiate, Digest")]
    #[case(&["Bearer"], "its challenge names no usable token server")]
    #[case(&[r#"Bearer realm="/token""#], "its challenge names no usable token server")]
    #[case(&[r#"Bearer realm="mailto:a@b""#], "its challenge names no usable token server")]
    fn what_cannot_be_answered_is_an_error(#[case] values: &[&str], #[case] reason: &str) {
        let error = Challenge::of(&headers(values)).unwrap_err();
        assert_eq!(error.to_string(), format!("the registry wants a login, but {reason}"));
    }

    #[rstest]
    #[case(r#",error="insufficient_scope""#, Some("repository:a:push"))]
    #[case(r#",error="invalid_token""#, None)]
    #[case("", None)]
    fn a_scope_is_lacking_only_where_the_refusal_says_so(#[case] error: &str, #[case] lacking: Option<&str>) {
        let value = format!(r#"Bearer realm="https://b/t",scope="repository:a:push"{error}"#);
        assert_eq!(bearer(&[&value]).lacking.as_deref(), lacking);
    }
}
