//! What of a request may be kept. Everything passes through here at the moment of recording.
//!
//! Nothing is kept because it does not look like a secret; it is kept because its name is on a list *and* its value has the
//! form that such values have. Of the rest it is only noted that it was there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use hyper::{HeaderMap, Method};
use regex::Regex;
use url::{Url, form_urlencoded};

use super::Challenge;

/// Stands where something was left out.
const LEFT_OUT: &str = "…";
/// No harmless value is longer.
const VALUE_MAX_BYTES: usize = 1024;

/// The form of a value, by which it is known to be harmless.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// It matches one of these patterns.
    Pattern(&'static str),
    /// Seconds or a date.
    Wait,
    /// The program's name and version; the rest is left out.
    Agent,
    Location,
    Links,
    Challenge,
    /// The scheme alone.
    Authorization,
    /// Only that it was there.
    Secret,
}

const NUMBER: Form = Form::Pattern("[0-9]+");
/// `0-1023`, `bytes=0-1023`, `bytes 0-9/10`
const RANGE: Form = Form::Pattern(r"(bytes[= ])?[0-9]+-[0-9]*(/[0-9]+)?");
const DIGEST: Form = Form::Pattern("(sha256|sha512):[0-9a-fA-F]*");
/// A repository, a tag, the name of a service.
const NAME: Form = Form::Pattern("[A-Za-z0-9._/:-]+");
/// `repository:acme/hello:pull,push`
const SCOPE: Form =
    Form::Pattern(r"(repository|registry):[A-Za-z0-9._/:,*()-]*( (repository|registry):[A-Za-z0-9._/:,*()-]*)*");
const STATE: Form = Form::Pattern("active|deleted");
const MEDIA_TYPES: Form = Form::Pattern(concat!(
    r"(\*|application|text)/[a-z0-9.+*-]+( *; *(q=[0-9.]{1,5}|charset=(?i:utf-8)))*",
    r"( *, *(\*|application|text)/[a-z0-9.+*-]+( *; *(q=[0-9.]{1,5}|charset=(?i:utf-8)))*)*"
));
/// `127.0.0.1:5000`
const HOST: Form = Form::Pattern(r"([0-9]{1,3}(\.[0-9]{1,3}){3}|\[::1\]|localhost)(:[0-9]+)?");
/// `podman/5.4.2`
const AGENT: Form = Form::Pattern(r"[A-Za-z._-]{1,32}/v*[0-9][A-Za-z0-9.+_-]{0,31}");

/// All patterns, compiled once.
static PATTERNS: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    let forms = HEADERS.iter().chain(PARAMETERS).map(|(_, form)| *form).chain([AGENT]);
    let patterns = forms.filter_map(|form| match form {
        Form::Pattern(pattern) => Some((pattern, Regex::new(&format!("^(?:{pattern})$")).ok()?)),
        _ => None,
    });
    patterns.collect()
});

/// The headers that are kept.
const HEADERS: &[(&str, Form)] = &[
    ("accept", MEDIA_TYPES),
    ("authorization", Form::Authorization),
    ("content-length", NUMBER),
    ("content-range", RANGE),
    ("content-type", MEDIA_TYPES),
    ("docker-content-digest", DIGEST),
    ("host", HOST),
    ("link", Form::Links),
    ("location", Form::Location),
    ("oci-chunk-min-length", NUMBER),
    ("range", RANGE),
    ("retry-after", Form::Wait),
    ("user-agent", Form::Agent),
    ("www-authenticate", Form::Challenge),
    ("x-ratelimit-remaining", NUMBER),
    ("x-ratelimit-reset", NUMBER),
    ("x-retry-after", NUMBER),
];

/// The parameters of queries whose names are kept.
const PARAMETERS: &[(&str, Form)] = &[
    ("_state", Form::Secret),
    ("access_token", Form::Secret),
    ("account", Form::Secret),
    ("client_id", Form::Secret),
    ("digest", DIGEST),
    ("from", NAME),
    ("last", NAME),
    ("mount", DIGEST),
    ("n", NUMBER),
    ("offline_token", Form::Secret),
    ("page", NUMBER),
    ("page_size", NUMBER),
    ("password", Form::Secret),
    ("per_page", NUMBER),
    ("refresh_token", Form::Secret),
    ("scope", SCOPE),
    ("service", NAME),
    ("state", STATE),
    ("tag", NAME),
    ("token", Form::Secret),
    ("username", Form::Secret),
];

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// A method's name, if it is a usual one.
pub fn method(method: &Method) -> String {
    if METHODS.contains(method) { method.to_string() } else { LEFT_OUT.to_owned() }
}

/// The headers that say something, names in lower case, values redacted.
pub fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = HEADERS.iter().filter_map(|(name, form)| {
        let values: Vec<String> =
            headers.get_all(*name).iter().map(|value| form.kept(value.to_str().unwrap_or_default())).collect();
        (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
    });
    kept.collect()
}

/// A request's path and query, the values of the query redacted.
pub fn path(path_and_query: &str) -> String {
    let path_and_query = path_and_query.split('#').next().unwrap_or_default();
    match path_and_query.split_once('?') {
        Some((path, query)) => format!("{path}?{}", redacted_query(query)),
        None => path_and_query.to_owned(),
    }
}

fn redacted_query(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        match PARAMETERS.iter().find(|(known, _)| *known == name) {
            Some((known, form)) => format!("{known}={}", form.kept(&value)),
            // Even an unknown name may be a secret.
            None => LEFT_OUT.to_owned(),
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}

impl Form {
    /// What of a value is kept.
    fn kept(self, value: &str) -> String {
        let left_out = LEFT_OUT.to_owned();
        if value.len() > VALUE_MAX_BYTES && !matches!(self, Self::Location) {
            return left_out;
        }
        match self {
            Self::Authorization => scheme(value).unwrap_or(left_out),
            Self::Location => location(value).unwrap_or(left_out),
            Self::Links => links(value).unwrap_or(left_out),
            Self::Challenge => challenge(value).unwrap_or(left_out),
            Self::Agent => agent(value).unwrap_or(left_out),
            Self::Wait if httpdate::parse_http_date(value).is_ok() => value.to_owned(),
            Self::Wait => NUMBER.kept(value),
            Self::Pattern(pattern) if PATTERNS.get(pattern).is_some_and(|it| it.is_match(value)) => value.to_owned(),
            Self::Pattern(_) | Self::Secret => left_out,
        }
    }
}

/// The scheme of an authorization, if it is a usual one: without it, the first word may be the secret itself.
fn scheme(value: &str) -> Option<String> {
    let (scheme, _) = value.split_once(' ')?;
    ["Basic", "Bearer", "token"].into_iter().find(|usual| usual.eq_ignore_ascii_case(scheme)).map(str::to_owned)
}

/// A location without user, password, fragment, and with a redacted query.
fn location(value: &str) -> Option<String> {
    if value.starts_with('/') && !value.starts_with("//") {
        return Some(path(value));
    }
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{}", redacted_query(query))).unwrap_or_default();
    Some(format!("{}://{}{port}{}{query}", url.scheme(), url.host_str()?, url.path()))
}

/// `<…>; rel="next", <…>; rel="last"` (RFC 8288)
fn links(value: &str) -> Option<String> {
    let link = |link: &str| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let relation = ["next", "last", "first", "prev"]
            .into_iter()
            .find(|relation| parameters.trim() == format!("; rel=\"{relation}\""))?;
        Some(format!("<{}>; rel=\"{relation}\"", location(target)?))
    };
    Some(value.split(", ").map(link).collect::<Option<Vec<_>>>()?.join(", "))
}

fn challenge(value: &str) -> Option<String> {
    let mut challenge = Challenge::parse(value)?;
    challenge.scheme = scheme(value)?;
    challenge.parameters.retain(|(name, _)| matches!(name.as_str(), "realm" | "service" | "scope" | "error"));
    for (name, value) in &mut challenge.parameters {
        *value = match name.as_str() {
            "realm" => Form::Location.kept(value),
            "scope" => SCOPE.kept(value),
            "error" if matches!(value.as_str(), "invalid_token" | "insufficient_scope" | "invalid_request") => continue,
            "service" => NAME.kept(value),
            _ => LEFT_OUT.to_owned(),
        };
    }
    Some(challenge.to_string())
}

/// The first `name/version` of a user agent.
fn agent(value: &str) -> Option<String> {
    Some(AGENT.kept(value.split_whitespace().next()?))
}

#[cfg(test)]
mod tests;
