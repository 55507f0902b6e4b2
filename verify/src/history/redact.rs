//! What of a request may be kept. Everything passes through here at the moment of recording.
//!
//! Nothing is kept because it does not look like a secret; it is kept because its name is on a list *and* its value has the
//! form that such values have. Of the rest it is only noted that it was there.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method};
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use super::Challenge;

/// Stands where something was left out.
const LEFT_OUT: &str = "…";
/// How much of the hash of an opaque value is shown, so that equal values can be recognised.
const HASH_BYTES: usize = 4;
/// No harmless value is longer.
const VALUE_MAX_BYTES: usize = 1024;
/// Longer names and versions of programs are something else.
const AGENT_PART_MAX_BYTES: usize = 32;

/// The form of a value, by which it is known to be harmless.
#[derive(Debug, Clone, Copy)]
enum Form {
    Number,
    /// `0-1023`, `bytes=0-1023`
    Range,
    Digest,
    /// A repository, a tag, the name of a service.
    Name,
    /// `repository:acme/hello:pull,push`
    Scope,
    /// `active`, `deleted`
    State,
    MediaTypes,
    /// `127.0.0.1:5000`
    Host,
    /// The program's name and version, the rest left out.
    Agent,
    /// Seconds or a date.
    Wait,
    Location,
    Links,
    Challenge,
    /// The scheme alone.
    Authorization,
    /// Only whether two are equal.
    Opaque,
    /// Only that it was there.
    Secret,
}

/// The headers that are kept.
const HEADERS: &[(&str, Form)] = &[
    ("accept", Form::MediaTypes),
    ("authorization", Form::Authorization),
    ("content-length", Form::Number),
    ("content-range", Form::Range),
    ("content-type", Form::MediaTypes),
    ("docker-content-digest", Form::Digest),
    ("host", Form::Host),
    ("link", Form::Links),
    ("location", Form::Location),
    ("oci-chunk-min-length", Form::Number),
    ("range", Form::Range),
    ("retry-after", Form::Wait),
    ("user-agent", Form::Agent),
    ("www-authenticate", Form::Challenge),
    ("x-ratelimit-remaining", Form::Number),
    ("x-ratelimit-reset", Form::Number),
    ("x-retry-after", Form::Number),
];

/// The parameters of queries whose names are kept.
const PARAMETERS: &[(&str, Form)] = &[
    ("_state", Form::Opaque),
    ("access_token", Form::Secret),
    ("account", Form::Secret),
    ("client_id", Form::Secret),
    ("digest", Form::Digest),
    ("from", Form::Name),
    ("last", Form::Name),
    ("mount", Form::Digest),
    ("n", Form::Number),
    ("offline_token", Form::Secret),
    ("page", Form::Number),
    ("page_size", Form::Number),
    ("password", Form::Secret),
    ("per_page", Form::Number),
    ("refresh_token", Form::Secret),
    ("scope", Form::Scope),
    ("service", Form::Name),
    ("state", Form::State),
    ("tag", Form::Name),
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
        if value.len() > VALUE_MAX_BYTES && !matches!(self, Self::Opaque | Self::Location) {
            return left_out;
        }
        match self {
            Self::Authorization => scheme(value).unwrap_or(left_out),
            Self::Opaque => opaque(value),
            Self::Location => location(value).unwrap_or(left_out),
            Self::Links => links(value).unwrap_or(left_out),
            Self::Challenge => challenge(value).unwrap_or(left_out),
            Self::Agent => agent(value).unwrap_or(left_out),
            form if form.fits(value) => value.to_owned(),
            _ => left_out,
        }
    }

    /// Whether a value has this form as it is.
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Number => is_number(value),
            Self::Range => {
                let range = value.strip_prefix("bytes=").or_else(|| value.strip_prefix("bytes ")).unwrap_or(value);
                let range = range.split_once('/').map_or(range, |(range, _)| range);
                range.split_once('-').is_some_and(|(from, to)| is_number(from) && (to.is_empty() || is_number(to)))
            }
            Self::Digest => value.split_once(':').is_some_and(|(algorithm, encoded)| {
                matches!(algorithm, "sha256" | "sha512") && encoded.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
            Self::Name => {
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
            }
            Self::Scope => value.split(' ').all(|scope| {
                (scope.starts_with("repository:") || scope.starts_with("registry:"))
                    && scope.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:,*()".contains(&byte))
            }),
            Self::State => matches!(value, "active" | "deleted"),
            Self::MediaTypes => value.split(',').all(|it| is_media_type(it.trim())),
            Self::Host => is_host(value),
            Self::Wait => is_number(value) || httpdate::parse_http_date(value).is_ok(),
            Self::Agent
            | Self::Location
            | Self::Links
            | Self::Challenge
            | Self::Authorization
            | Self::Opaque
            | Self::Secret => false,
        }
    }
}

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_media_type(value: &str) -> bool {
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let parameters = parameters.split(';').map(str::trim).filter(|it| !it.is_empty());
    let known =
        |it: &str| it.starts_with("q=") && it.len() <= "q=0.123".len() || it.eq_ignore_ascii_case("charset=utf-8");
    let form = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".+-*".contains(&byte))
    };
    let known_type = |it: &str| matches!(it, "*" | "application" | "text");
    essence.split_once('/').is_some_and(|(kind, subtype)| known_type(kind) && form(subtype))
        && parameters.into_iter().all(known)
}

fn is_host(value: &str) -> bool {
    let (host, port) = value.rsplit_once(':').unwrap_or((value, "0"));
    let address = host.parse::<std::net::Ipv4Addr>().is_ok() || matches!(host, "[::1]" | "localhost");
    is_number(port) && address
}

/// The scheme of an authorization, if it is a usual one: without it, the first word may be the secret itself.
fn scheme(value: &str) -> Option<String> {
    let (scheme, _) = value.split_once(' ')?;
    ["Basic", "Bearer", "token"].into_iter().find(|usual| usual.eq_ignore_ascii_case(scheme)).map(str::to_owned)
}

fn opaque(value: &str) -> String {
    let hash = Sha256::digest(value.as_bytes());
    hash.iter().take(HASH_BYTES).fold("#".to_owned(), |text, byte| text + &format!("{byte:02x}"))
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
            "scope" => Form::Scope.kept(value),
            "error" if matches!(value.as_str(), "invalid_token" | "insufficient_scope" | "invalid_request") => continue,
            "service" => Form::Name.kept(value),
            _ => LEFT_OUT.to_owned(),
        };
    }
    Some(challenge.to_string())
}

/// The first `name/version` of a user agent.
fn agent(value: &str) -> Option<String> {
    let (name, version) = value.split_whitespace().next()?.split_once('/')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"._-".contains(&byte));
    let is_version = version.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte));
    let short = name.len() <= AGENT_PART_MAX_BYTES && version.len() <= AGENT_PART_MAX_BYTES;
    (is_name && is_version && short && !name.is_empty()).then(|| format!("{name}/{version}"))
}

#[cfg(test)]
mod tests;
