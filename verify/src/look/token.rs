//! Bearer tokens: the challenge in a 401 (RFC 6750, section 3) and the token service that it names (distribution's
//! token specification).

use serde::Deserialize;
use url::Url;

use super::{
    IDENTITY_TOKEN_USER, LookError,
    place::{Place, is_local},
};

/// How this program calls itself towards token services that want to know.
const CLIENT: &str = "tallyman-verify";

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token of this service.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// What a token service answers.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// Reads `WWW-Authenticate`. None if it asks for something that nobody knows.
    pub(super) fn read(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut bearer = (None, None, None);
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => bearer.0 = Some(value),
                "service" => bearer.1 = Some(value),
                "scope" => bearer.2 = Some(value),
                _ => {}
            }
        }
        let (realm, service, scope) = bearer;
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// `name="value"` or `name=value`, separated by commas; a quoted value may contain commas.
fn parameters(text: &str) -> Vec<(&str, String)> {
    let mut parameters = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        parameters.push((name.trim_matches([' ', ',']), value.to_owned()));
        rest = after;
    }
    parameters
}

/// What is asked for, in errors.
const WHAT: &str = "a token";

/// Fetches a token. None if the service refuses one: the request goes on without, and shows what that means.
pub(super) async fn fetch(
    http: &reqwest::Client,
    place: &Place,
    challenge: &Challenge,
) -> Result<Option<String>, LookError> {
    let Challenge::Bearer { realm, service, scope } = challenge else { return Ok(None) };
    let url = Url::parse(realm).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let mut parameters = vec![("scope", scope.clone().unwrap_or_else(|| place.scope()))];
    parameters.extend(service.iter().map(|service| ("service", service.clone())));
    let request = match &place.credentials {
        None => http.get(realm).query(&parameters),
        Some(_) if !is_safe(url.as_ref(), place) => {
            return Err(LookError::InsecureRealm { host: place.host.clone(), realm: host });
        }
        Some(it) if it.user == IDENTITY_TOKEN_USER => {
            parameters.push(("grant_type", "refresh_token".to_owned()));
            parameters.push(("refresh_token", it.password.clone()));
            parameters.push(("client_id", CLIENT.to_owned()));
            http.post(realm).form(&parameters)
        }
        Some(it) => http.get(realm).query(&parameters).basic_auth(&it.user, Some(&it.password)),
    };
    let unreachable = |source: reqwest::Error| LookError::Unreachable {
        host: host.clone(),
        what: WHAT.to_owned(),
        source: source.without_url(),
    };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(LookError::unavailable(&host, WHAT, &answer));
    }
    if !status.is_success() {
        return Ok(None);
    }
    let answer = answer.bytes().await.map_err(unreachable)?;
    let token = serde_json::from_slice::<Answer>(&answer).ok().and_then(|answer| answer.token.or(answer.access_token));
    match token {
        Some(token) => Ok(Some(token)),
        None => Err(LookError::Senseless { host, what: WHAT.to_owned(), problem: "no token in it".into() }),
    }
}

/// A password goes by TLS, or stays on this machine, or goes where the user wants no TLS.
fn is_safe(realm: Option<&Url>, place: &Place) -> bool {
    let Some(realm) = realm else { return false };
    realm.scheme() == "https" || realm.host_str().is_some_and(is_local) || (!place.speaks_tls() && !place.is_local())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned), scope: scope.map(str::to_owned) }
    }

    #[rstest]
    #[case(
        r#"Bearer realm="https://t/x?a=b",service="r",scope="repository:a/b:pull,push",error="insufficient_scope""#,
        Some(bearer("https://t/x?a=b", Some("r"), Some("repository:a/b:pull,push")))
    )]
    #[case(r#"bearer service=r, realm="http://t""#, Some(bearer("http://t", Some("r"), None)))]
    #[case(r#"Bearer service="r""#, None)]
    #[case("Basic realm=\"x\"", Some(Challenge::Basic))]
    #[case("Negotiate", None)]
    #[case("", None)]
    fn challenges_are_read(#[case] header: &str, #[case] expected: Option<Challenge>) {
        assert_eq!(Challenge::read(header), expected);
    }
}
