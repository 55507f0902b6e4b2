//! An answer, and what is seen of it.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await;
        // Debian 12's registry announces the blob's length at a refusal, and sends a message that is shorter.
        let body = if status.is_client_error() { body.unwrap_or_default() } else { body.unwrap() };
        Self { status: status.as_u16(), headers, body }
    }

    /// A header; a dash if there is none.
    pub(super) fn header(&self, name: &str) -> String {
        self.headers.get(name).map_or_else(|| "-".to_owned(), |value| value.to_str().unwrap().to_owned())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status, and the codes of the errors in the body.
    pub(super) fn seen(&self) -> String {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        let codes = errors.iter().map(|error| error["code"].as_str().unwrap().to_owned());
        let parts: Vec<String> = std::iter::once(self.status.to_string()).chain(codes).collect();
        parts.join(" ")
    }

    /// The same, and some headers.
    pub(super) fn with(&self, headers: &[&str]) -> String {
        let headers = headers.iter().map(|name| format!("{name}={}", self.header(name)));
        let parts: Vec<String> = std::iter::once(self.seen()).chain(headers).collect();
        parts.join(" ")
    }

    /// The challenge, with what is in no order put in order: scopes, and their actions.
    pub(super) fn challenge(&self) -> String {
        let challenge = self.header("www-authenticate");
        let Some((before, rest)) = challenge.split_once("scope=\"") else { return challenge };
        let (scopes, after) = rest.split_once('"').unwrap();
        let sorted = |text: &str, separator: &str| {
            let mut parts: Vec<&str> = text.split(separator).collect();
            parts.sort_unstable();
            parts.join(separator)
        };
        let scope = |scope: &str| {
            let (resource, actions) = scope.rsplit_once(':').unwrap();
            format!("{resource}:{}", sorted(actions, ","))
        };
        let scopes: Vec<String> = scopes.split(' ').map(scope).collect();
        format!("{before}scope=\"{}\"{after}", sorted(&scopes.join(" "), " "))
    }
}
