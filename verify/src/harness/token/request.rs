//! What clients ask a token service for: by GET with Basic authentication, or by POST of a form (OAuth 2).

use axum::http::{HeaderMap, Uri, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::scope::Access;

/// How somebody says who he is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Not at all.
    Anonymous,
    /// A name and a password.
    Password(String, String),
    /// A token that was given for a password before.
    Refresh(String),
}

/// A request for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenRequest {
    pub(super) proof: Proof,
    pub(super) service: String,
    pub(super) wanted: Vec<Access>,
    /// Whether a token is wanted that can be changed into others later.
    pub(super) refreshable: bool,
}

/// Why a request makes no sense: the word for it (RFC 6749, 5.2).
pub(super) type Nonsense = &'static str;

impl TokenRequest {
    /// `GET /token?service=…&scope=…&scope=…`
    pub(super) fn from_query(uri: &Uri, headers: &HeaderMap) -> Result<Self, Nonsense> {
        let fields = Fields::parse(uri.query().unwrap_or_default());
        let proof = match headers.get(header::AUTHORIZATION) {
            None => Proof::Anonymous,
            Some(value) => basic(value.as_bytes()).ok_or("invalid_request")?,
        };
        fields.request(proof, fields.first("offline_token") == Some("true"))
    }

    /// `POST /token`, `grant_type=password&username=…&password=…&service=…&scope=…`
    pub(super) fn from_form(body: &str) -> Result<Self, Nonsense> {
        let fields = Fields::parse(body);
        let field = |name| fields.first(name).map(str::to_owned).ok_or("invalid_request");
        let proof = match fields.first("grant_type") {
            Some("password") => Proof::Password(field("username")?, field("password")?),
            Some("refresh_token") => Proof::Refresh(field("refresh_token")?),
            _ => return Err("unsupported_grant_type"),
        };
        fields.request(proof, fields.first("access_type") == Some("offline"))
    }
}

struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Scopes are repeated, or stand in one field with spaces between them.
    fn request(&self, proof: Proof, refreshable: bool) -> Result<TokenRequest, Nonsense> {
        let service = self.first("service").ok_or("invalid_request")?.to_owned();
        let wanted = self.all("scope").flat_map(str::split_whitespace).filter_map(Access::parse).collect();
        Ok(TokenRequest { proof, service, wanted, refreshable })
    }
}

fn basic(value: &[u8]) -> Option<Proof> {
    let (scheme, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| Proof::Password(name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(query: &str, authorization: Option<&str>) -> Result<TokenRequest, Nonsense> {
        let headers = authorization.map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        TokenRequest::from_query(&format!("/token?{query}").parse().unwrap(), &headers.into_iter().collect())
    }

    #[rstest::rstest]
    #[case::once("service=s&scope=repository:a:pull", &["repository:a:pull"])]
    #[case::repeated("service=s&scope=repository:a:pull&scope=repository:b:pull", &["repository:a:pull", "repository:b:pull"])]
    #[case::spaced("service=s&scope=repository:a:pull%20repository:b:pull", &["repository:a:pull", "repository:b:pull"])]
    #[case::none("service=s", &[])]
    #[case::nonsense("service=s&scope=pull", &[])]
    fn scopes_are_repeated_or_spaced(#[case] query: &str, #[case] scopes: &[&str]) {
        let request = get(query, None).unwrap();
        assert_eq!(request.wanted.iter().map(Access::to_string).collect::<Vec<_>>(), scopes);
        assert_eq!(request.proof, Proof::Anonymous);
    }

    #[rstest::rstest]
    #[case::password("Basic YWNtZTpwOncx", Ok(Proof::Password("acme".to_owned(), "p:w1".to_owned())))]
    #[case::another_scheme("Bearer YWNtZTpwOncx", Err("invalid_request"))]
    #[case::not_base64("Basic ???", Err("invalid_request"))]
    fn a_get_is_proved_with_basic(#[case] authorization: &str, #[case] proof: Result<Proof, Nonsense>) {
        assert_eq!(get("service=s", Some(authorization)).map(|request| request.proof), proof);
    }

    #[rstest::rstest]
    #[case::password("grant_type=password&username=u&password=p&service=s", Ok(Proof::Password("u".to_owned(), "p".to_owned())))]
    #[case::refresh("grant_type=refresh_token&refresh_token=r&service=s", Ok(Proof::Refresh("r".to_owned())))]
    #[case::another("grant_type=client_credentials&service=s", Err("unsupported_grant_type"))]
    #[case::incomplete("grant_type=password&username=u&service=s", Err("invalid_request"))]
    #[case::no_service("grant_type=refresh_token&refresh_token=r", Err("invalid_request"))]
    fn a_post_is_proved_in_the_form(#[case] form: &str, #[case] proof: Result<Proof, Nonsense>) {
        assert_eq!(TokenRequest::from_form(form).map(|request| request.proof), proof);
    }
}
