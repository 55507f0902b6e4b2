use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{HeaderName, HeaderValue};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("/v2/acme/hello/manifests/latest", "/v2/acme/hello/manifests/latest")]
#[case("/a?digest=sha256%3Aabc&mount=sha256:12", "/a?digest=sha256:abc&mount=sha256:12")]
#[case("/a?n=2&last=acme/x&from=acme/y", "/a?n=2&last=acme/x&from=acme/y")]
#[case("/a?page=1&page_size=100&per_page=30&state=active", "/a?page=1&page_size=100&per_page=30&state=active")]
#[case(
    "/token?account=me&service=127.0.0.1:5000&scope=repository%3Aacme%2Fhello%3Apull%2Cpush&client_id=x",
    "/token?account=…&service=127.0.0.1:5000&scope=repository:acme/hello:pull,push&client_id=…"
)]
#[case("/a?_state=abc", "/a?_state=…")]
#[case("/a?token=hunter2&n=hunter2&digest=hunter2&state=hunter2&hunter2", "/a?token=…&n=…&digest=…&state=…&…")]
#[case("/a#hunter2", "/a")]
fn paths(#[case] given: &str, #[case] kept: &str) {
    assert_eq!(path(given), kept);
}

#[rstest]
#[case("authorization", "Bearer hunter2", "Bearer")]
#[case("authorization", "basic aHVudGVyMg==", "Basic")]
#[case("authorization", "hunter2", "…")]
#[case("authorization", "hunter2 hunter2", "…")]
#[case("content-range", "0-1023", "0-1023")]
#[case("content-range", "bytes 0-9/10", "bytes 0-9/10")]
#[case("range", "bytes=5-", "bytes=5-")]
#[case("range", "hunter2", "…")]
#[case("content-type", "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.index.v1+json")]
#[case("content-type", "application/json; charset=utf-8", "application/json; charset=utf-8")]
#[case("accept", "application/json, */*;q=0.5", "application/json, */*;q=0.5")]
#[case("content-type", "hunter2", "…")]
#[case("content-length", "12", "12")]
#[case("retry-after", "60", "60")]
#[case("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT")]
#[case("retry-after", "880.092µs", "…")]
#[case("x-retry-after", "1760000000", "1760000000")]
#[case("host", "127.0.0.1:5000", "127.0.0.1:5000")]
#[case("host", "hunter2:5000", "…")]
#[case("user-agent", "containers/5.36.2 (github.com/containers/image)", "containers/5.36.2")]
#[case("user-agent", "hunter2", "…")]
#[case("location", "/v2/a/blobs/uploads/1?_state=abc", "/v2/a/blobs/uploads/1?_state=…")]
#[case("location", "https://me:hunter2@127.0.0.1:5/v2/a?token=hunter2#hunter2", "https://127.0.0.1:5/v2/a?token=…")]
#[case("location", "//me:hunter2@host/", "…")]
#[case("link", "</v2/a/tags/list?n=1&last=b>; rel=\"next\"", "</v2/a/tags/list?n=1&last=b>; rel=\"next\"")]
#[case(
    "link",
    "<http://127.0.0.1:1/a?page=2>; rel=\"next\", <http://127.0.0.1:1/a?page=9>; rel=\"last\"",
    "<http://127.0.0.1:1/a?page=2>; rel=\"next\", <http://127.0.0.1:1/a?page=9>; rel=\"last\""
)]
#[case("link", "<hunter2>; rel=\"next\"", "…")]
#[case(
    "www-authenticate",
    "Bearer realm=\"http://me:hunter2@127.0.0.1:1/token\",service=\"s\",scope=\"repository:a:pull\",error=\"invalid_token\",x=\"hunter2\"",
    "Bearer realm=\"http://127.0.0.1:1/token\",service=\"s\",scope=\"repository:a:pull\",error=\"invalid_token\""
)]
#[case("www-authenticate", "hunter2 realm=\"a\"", "…")]
#[case("docker-content-digest", "sha256:abc", "sha256:abc")]
#[case("docker-content-digest", "sha256:hunter2", "…")]
fn values(#[case] name: &'static str, #[case] given: &str, #[case] kept: &str) {
    let map =
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_bytes(given.as_bytes()).unwrap())]);
    assert_eq!(headers(&map)[name], kept);
}

#[test]
fn headers_that_are_on_no_list_are_left_out_wholly() {
    let map = HeaderMap::from_iter([
        (HeaderName::from_static("cookie"), HeaderValue::from_static("hunter2")),
        (HeaderName::from_static("x-hunter2"), HeaderValue::from_static("1")),
    ]);
    assert_eq!(headers(&map), BTreeMap::new());
}

#[test]
fn every_pattern_is_valid() {
    let forms = HEADERS.iter().chain(PARAMETERS).map(|(_, form)| form).chain([&AGENT]);
    let patterns = forms.filter_map(|form| if let Form::Pattern(pattern) = form { Some(pattern) } else { None });
    assert!(patterns.into_iter().all(|pattern| PATTERNS.contains_key(pattern)));
}

#[test]
fn methods_that_are_not_usual_are_left_out() {
    assert_eq!(method(&Method::PATCH), "PATCH");
    assert_eq!(method(&Method::from_bytes(b"HUNTER2").unwrap()), "…");
}

/// What tokens look like. It begins with letters that no digest has.
fn secret() -> impl Strategy<Value = String> {
    "zq[A-Za-z0-9]{14,38}"
}

/// The ways in which a value carries a secret.
fn carried() -> impl Strategy<Value = fn(&str) -> String> {
    prop_oneof![
        Just((|secret| secret.to_owned()) as fn(&str) -> String),
        Just((|secret| format!("Bearer {secret}")) as fn(&str) -> String),
        Just((|secret| format!("Basic {}", STANDARD.encode(format!("me:{secret}")))) as fn(&str) -> String),
        Just((|secret| format!("http://me:{secret}@127.0.0.1:1/v2/")) as fn(&str) -> String),
        Just(
            (|secret| format!("http://127.0.0.1:1/v2/?token={secret}&{secret}=1&_state={secret}"))
                as fn(&str) -> String
        ),
        Just((|secret| format!("</v2/?n={secret}>; rel=\"next\"")) as fn(&str) -> String),
        Just((|secret| format!("Bearer realm=\"http://{secret}@a/\",error=\"{secret}\"")) as fn(&str) -> String),
        Just((|secret| format!("Bearer realm=\"{secret}\",scope=\"{secret}\",x=\"{secret}\"")) as fn(&str) -> String),
        Just((|secret| format!("curl/8.5 ({secret})")) as fn(&str) -> String),
    ]
}

proptest! {
    #[test]
    fn no_header_shows_a_secret(secret in secret(), carried in carried()) {
        let value = HeaderValue::from_str(&carried(&secret)).unwrap();
        let names = HEADERS.iter().map(|(name, _)| *name).chain(["cookie", "x-api-key", "proxy-authorization"]);
        let map = names.map(|name| (HeaderName::from_static(name), value.clone())).collect::<HeaderMap>();
        let kept = serde_json::to_string(&headers(&map)).unwrap();
        prop_assert!(!kept.contains(&secret), "{kept}");
        prop_assert!(!kept.contains(&STANDARD.encode(format!("me:{secret}"))), "{kept}");
    }

    #[test]
    fn no_query_shows_a_secret(secret in secret(), name in "[a-zA-Z_]{1,12}") {
        // Names of repositories, tags and services have the form of secrets; nothing else has.
        let known = PARAMETERS.iter().filter(|(_, form)| format!("{form:?}") != format!("{NAME:?}")).map(|(name, _)| *name);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(known.map(|name| (name, &secret)));
        if !PARAMETERS.iter().any(|(known, _)| *known == name) {
            query.append_pair(&name, &secret);
        }
        query.append_pair(&secret, "");
        let kept = path(&format!("/v2/?{}", query.finish()));
        prop_assert!(!kept.contains(&secret), "{kept}");
    }
}
