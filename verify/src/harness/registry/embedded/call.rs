//! One request, as far as its head goes.

use axum::http::{HeaderMap, Method, Uri, header, request::Parts};

/// The head of a request, with what handlers ask of it.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl From<Parts> for Call {
    fn from(head: Parts) -> Self {
        let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let query = query.into_owned().collect();
        Self { method: head.method, uri: head.uri, headers: head.headers, query }
    }
}

impl Call {
    /// A parameter of the query; an empty one is none.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A header; one that is not text is none.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A path on this registry as the client must call it: through the proxy that it came through.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = self.header("x-forwarded-proto").unwrap_or("http");
        let host = self.header("x-forwarded-host").or_else(|| self.header(header::HOST));
        host.map_or_else(|| path.to_owned(), |host| format!("{scheme}://{host}{path}"))
    }

    /// Whether the client holds what has this digest already (RFC 9110, 13.1.2).
    pub(super) fn has_already(&self, digest: &str) -> bool {
        let tags = self.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        tags.flat_map(|value| value.split(',')).any(|tag| {
            let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
            tag == digest || tag == "*"
        })
    }
}
