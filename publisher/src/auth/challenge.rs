//! Reads `WWW-Authenticate` (RFC 9110, sections 11.2 to 11.6.1) and takes the challenge that this program can answer.
//!
//! A header may carry several challenges, a response several headers; values may be quoted and hold commas.

use reqwest::{
    Url,
    header::{HeaderMap, WWW_AUTHENTICATE},
};
use thiserror::Error;

/// Why a registry's demand for authorization cannot be met. The header's text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChallengeError {
    /// A 401 without a `WWW-Authenticate` header.
    #[error("it names no way to authenticate")]
    Missing,
    /// The header breaks the grammar.
    #[error("its WWW-Authenticate header cannot be read: {0}")]
    Malformed(&'static str),
    /// Neither `Bearer` nor `Basic` is offered.
    #[error("it offers only ways to authenticate that are not supported: {0}")]
    Unsupported(String),
    /// A `Bearer` challenge without the address of a token server.
    #[error("its challenge names no usable token server")]
    Realm,
}

/// A demand that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The scope that a token lacked, present if the refusal says that this was the reason.
    pub(super) lacking: Option<String>,
}

impl Challenge {
    /// The challenge to answer: `Bearer` where it is offered, else `Basic`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ChallengeError> {
        let mut offered = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let text =
                std::str::from_utf8(value.as_bytes()).map_err(|_| ChallengeError::Malformed("it is not UTF-8"))?;
            offered.extend(parse(text)?);
        }
        if let Some(bearer) = offered.iter().find(|offer| offer.scheme == "bearer") {
            return bearer.bearer().map(Self::Bearer);
        }
        match offered.as_slice() {
            [] => Err(ChallengeError::Missing),
            offers if offers.iter().any(|offer| offer.scheme == "basic") => Ok(Self::Basic),
            offers => Err(ChallengeError::Unsupported(
                offers.iter().map(|offer| offer.scheme.as_str()).collect::<Vec<_>>().join(", "),
            )),
        }
    }
}

/// One challenge as it was read; scheme and names in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn bearer(&self) -> Result<Bearer, ChallengeError> {
        let realm = self.get("realm").and_then(|realm| Url::parse(realm).ok()).filter(Url::has_host);
        let lacks = self.get("error") == Some("insufficient_scope");
        Ok(Bearer {
            realm: realm.ok_or(ChallengeError::Realm)?,
            service: self.get("service").map(Into::into),
            lacking: self.get("scope").filter(|_| lacks).map(Into::into),
        })
    }
}

/// `#challenge`: what a comma starts, a parameter or the next challenge, shows by the `=` alone.
fn parse(text: &str) -> Result<Vec<Offer>, ChallengeError> {
    let mut offers: Vec<Offer> = Vec::new();
    let mut cursor = Cursor { rest: text };
    loop {
        cursor.skip(|c| c == ',' || is_space(c));
        if cursor.rest.is_empty() {
            return Ok(offers);
        }
        let name = cursor.token()?.to_ascii_lowercase();
        if let Some(value) = cursor.value()? {
            let offer = offers.last_mut().ok_or(ChallengeError::Malformed("a parameter stands before any scheme"))?;
            offer.add(name, value)?;
        } else {
            let mut offer = Offer { scheme: name, parameters: Vec::new() };
            cursor.after_scheme(&mut offer)?;
            offers.push(offer);
        }
        if !cursor.at_boundary() {
            return Err(ChallengeError::Malformed("a comma is missing"));
        }
    }
}

impl Offer {
    fn add(&mut self, name: String, value: String) -> Result<(), ChallengeError> {
        if self.get(&name).is_some() {
            return Err(ChallengeError::Malformed("a parameter is given twice"));
        }
        self.parameters.push((name, value));
        Ok(())
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(what);
    }

    /// At the end, or before a comma.
    fn at_boundary(&mut self) -> bool {
        self.skip(is_space);
        self.rest.is_empty() || self.rest.starts_with(',')
    }

    fn token(&mut self) -> Result<&'a str, ChallengeError> {
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        if token.is_empty() { Err(ChallengeError::Malformed("a name or value is missing")) } else { Ok(token) }
    }

    /// `BWS "=" BWS ( token / quoted-string )`, or nothing if there is no `=`.
    fn value(&mut self) -> Result<Option<String>, ChallengeError> {
        let Some(rest) = self.rest.trim_start_matches(is_space).strip_prefix('=') else { return Ok(None) };
        self.rest = rest.trim_start_matches(is_space);
        match self.rest.strip_prefix('"') {
            Some(rest) => self.quoted(rest).map(Some),
            None => self.token().map(|token| Some(token.into())),
        }
    }

    fn quoted(&mut self, text: &'a str) -> Result<String, ChallengeError> {
        let mut value = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Ok(value);
                }
                '\\' => value.extend(chars.next()),
                c => value.push(c),
            }
        }
        Err(ChallengeError::Malformed("a quotation is not closed"))
    }

    /// What may follow a scheme without a comma: nothing, a `token68` as `Negotiate` has, or the first parameter.
    fn after_scheme(&mut self, offer: &mut Offer) -> Result<(), ChallengeError> {
        if self.at_boundary() || self.token68() {
            return Ok(());
        }
        let name = self.token()?.to_ascii_lowercase();
        let value = self.value()?.ok_or(ChallengeError::Malformed("a parameter has no value"))?;
        offer.add(name, value)
    }

    fn token68(&mut self) -> bool {
        let after = self.rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        let mut behind = Cursor { rest: after.trim_start_matches('=') };
        let found = after.len() < self.rest.len() && behind.at_boundary();
        if found {
            self.rest = behind.rest;
        }
        found
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The offers in one line each: `bearer realm=… service=…`.
    fn shown(text: &str) -> String {
        let line = |offer: &Offer| {
            let parameters = offer.parameters.iter().map(|(name, value)| format!(" {name}=<{value}>"));
            format!("{}{}", offer.scheme, parameters.collect::<String>())
        };
        parse(text)
            .map_or_else(|error| error.to_string(), |offers| offers.iter().map(line).collect::<Vec<_>>().join("; "))
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    #[rstest]
    #[case(r#"Bearer realm="https://a/t",service="s""#, "bearer realm=<https://a/t> service=<s>")]
    #[case(r#"bEARER Realm="https://a/t""#, "bearer realm=<https://a/t>")]
    #[case(r#"Bearer realm="r",scope="repository:a:pull,push""#, "bearer realm=<r> scope=<repository:a:pull,push>")]
    #[case(r#"Bearer realm="r" , service = "s" "#, "bearer realm=<r> service=<s>")]
    #[case("Bearer realm=r,service=s", "bearer realm=<r> service=<s>")]
    #[case(r#"Basic realm="say \"hi\", \\you""#, r#"basic realm=<say "hi", \you>"#)]
    #[case(r#"Basic realm="a", Bearer realm="b",service="c""#, "basic realm=<a>; bearer realm=<b> service=<c>")]
    #[case(r#"Negotiate, Basic realm="a""#, "negotiate; basic realm=<a>")]
    #[case(r#"Negotiate YWJj=, Basic realm="a""#, "negotiate; basic realm=<a>")]
    #[case("Basic", "basic")]
    #[case(r#", ,Basic realm="a",,"#, "basic realm=<a>")]
    #[case(r#"Basic realm="""#, "basic realm=<>")]
    #[case(
        r#"Digest realm="a", qop="auth,auth-int", stale=false"#,
        "digest realm=<a> qop=<auth,auth-int> stale=<false>"
    )]
    #[case("", "")]
    fn challenges_are_read(#[case] text: &str, #[case] read: &str) {
        assert_eq!(shown(text), read);
    }

    #[rstest]
    #[case(r#"Bearer realm="https://a/t"#, "a quotation is not closed")]
    #[case(r#"Bearer realm="a\"#, "a quotation is not closed")]
    #[case(r#"realm="a""#, "a parameter stands before any scheme")]
    #[case(r#"Bearer realm="a" service="b""#, "a comma is missing")]
    #[case("Bearer realm=https://a/t", "a comma is missing")]
    #[case(r#"Bearer realm="a",realm="b""#, "a parameter is given twice")]
    #[case(r#"Basic Bearer realm="a""#, "a parameter has no value")]
    #[case(r#"Bearer realm="a",service="#, "a name or value is missing")]
    #[case("<html>", "a name or value is missing")]
    #[case(r#""Bearer""#, "a name or value is missing")]
    fn what_breaks_the_grammar_is_refused(#[case] text: &str, #[case] why: &str) {
        assert_eq!(shown(text), format!("its WWW-Authenticate header cannot be read: {why}"));
    }

    #[rstest]
    #[case(&[r#"Basic realm="a", Bearer realm="https://b/t""#])]
    #[case(&[r#"Basic realm="a""#, r#"Bearer realm="https://b/t""#])]
    fn bearer_is_taken_before_basic(#[case] values: &[&str]) {
        let realm = "https://b/t".parse().unwrap();
        assert_eq!(
            Challenge::of(&headers(values)),
            Ok(Challenge::Bearer(Bearer { realm, service: None, lacking: None }))
        );
    }

    #[rstest]
    #[case(&[], ChallengeError::Missing)]
    #[case(&[""], ChallengeError::Missing)]
    #[case(&["Negotiate", r#"Digest realm="a""#], ChallengeError::Unsupported("negotiate, digest".into()))]
    #[case(&["Bearer"], ChallengeError::Realm)]
    #[case(&[r#"Bearer realm="/token""#], ChallengeError::Realm)]
    #[case(&[r#"Bearer realm="mailto:a@b""#], ChallengeError::Realm)]
    fn what_cannot_be_answered_is_an_error(#[case] values: &[&str], #[case] error: ChallengeError) {
        assert_eq!(Challenge::of(&headers(values)), Err(error));
    }

    #[rstest]
    #[case(r#",error="insufficient_scope""#, Some("repository:a:push"))]
    #[case(r#",error="invalid_token""#, None)]
    #[case("", None)]
    fn a_scope_counts_as_lacking_only_where_the_refusal_says_so(#[case] error: &str, #[case] lacking: Option<&str>) {
        let value = format!(r#"Bearer realm="https://b/t",scope="repository:a:push"{error}"#);
        let Ok(Challenge::Bearer(bearer)) = Challenge::of(&headers(&[&value])) else { panic!("no bearer challenge") };
        assert_eq!(bearer.lacking.as_deref(), lacking);
    }
}
