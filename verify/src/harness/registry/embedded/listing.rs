//! Lists of names, in pages (distribution-spec 1.1, Listing tags; RFC 8288).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{
    call::Call,
    refusal::{Code, Refusal},
    store::Store,
};

/// How many names a page of the catalogue has if nobody says (distribution 2.8: registry/handlers/catalog.go).
const CATALOG_PAGE: usize = 100;

/// The tags of a repository.
pub(super) fn tags(store: &Store, call: &Call, name: &str) -> Result<Response, Refusal> {
    let names = store.tag_names(name).ok_or_else(|| Code::NameUnknown.about(json!({"name": name})))?;
    let size = call.query("n").and_then(|n| n.parse().ok());
    // A repository that lost its tags has none, instead of an empty list.
    let none = names.is_empty();
    let (page, next) = page(names, call.query("last"), size.unwrap_or(usize::MAX));
    Ok(respond(call, &json!({"name": name, "tags": (!none).then_some(page)}), next))
}

/// The repositories.
pub(super) fn catalog(store: &Store, call: &Call) -> Response {
    let size = call.query("n").and_then(|n| n.parse().ok());
    let (page, next) = page(store.names(), call.query("last"), size.unwrap_or(CATALOG_PAGE));
    respond(call, &json!({"repositories": page}), next)
}

/// The names after `last`, at most so many, and where the next page begins if there is one.
fn page(names: Vec<String>, last: Option<&str>, size: usize) -> (Vec<String>, Option<(String, usize)>) {
    let mut rest = names.into_iter().filter(|name| last.is_none_or(|last| name.as_str() > last));
    let page: Vec<String> = rest.by_ref().take(size).collect();
    let next = rest.next().and_then(|_| page.last().cloned()).map(|last| (last, size));
    (page, next)
}

fn respond(call: &Call, body: &Value, next: Option<(String, usize)>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    let mut answer = (StatusCode::OK, headers, body.to_string()).into_response();
    if let Some((last, n)) = next {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("last", &last)
            .append_pair("n", &n.to_string())
            .finish();
        let link = format!("<{}?{query}>; rel=\"next\"", call.uri.path());
        if let Ok(link) = HeaderValue::from_str(&link) {
            answer.headers_mut().insert(header::LINK, link);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_hold_every_name_once(names in proptest::collection::btree_set("[a-c]{1,3}", 0..20), size in 1_usize..7) {
            let names: Vec<String> = names.into_iter().collect();
            let (mut seen, mut last) = (Vec::new(), None::<String>);
            loop {
                let (found, next) = page(names.clone(), last.as_deref(), size);
                prop_assert!(found.len() <= size);
                seen.extend(found);
                match next {
                    Some((name, _)) => last = Some(name),
                    None => break,
                }
            }
            prop_assert_eq!(seen, names);
        }
    }
}
