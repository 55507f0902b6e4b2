//! Docker Hub's API: a login, tags with the images behind them.

use std::collections::BTreeMap;

use axum::{body::Bytes, response::Response};
use serde_json::{Value, json};

use super::{Contents, TOKEN, absent, answer, contents::rfc3339};
use crate::oci::Digest;

impl Contents {
    pub(super) fn hub(
        &mut self,
        method: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        authorization: &str,
        body: &Bytes,
    ) -> Response {
        if path == "/v2/auth/token" {
            let login: Value = serde_json::from_slice(body).unwrap();
            if (&login["identifier"], &login["secret"]) != (&"ann".into(), &TOKEN.into()) {
                return answer(401, r#"{"detail":"Incorrect authentication credentials"}"#);
            }
            self.logins += 1;
            return answer(200, json!({ "access_token": format!("session-{}", self.logins) }).to_string());
        }
        if authorization != format!("Bearer session-{}", self.logins) {
            return answer(401, r#"{"detail":"Invalid token"}"#);
        }
        match (method, path) {
            ("GET", "/v2/namespaces/acme/repositories/hello/tags") => self.hub_tags(query),
            ("DELETE", path) => {
                let tag = path.strip_prefix("/v2/repositories/acme/hello/tags/").map(|it| it.trim_end_matches('/'));
                match tag.and_then(|tag| self.tags.remove(tag)) {
                    Some(_) => answer(204, ""),
                    None => absent(),
                }
            }
            _ => absent(),
        }
    }

    fn hub_tags(&self, query: &BTreeMap<String, String>) -> Response {
        let (page, size): (usize, usize) = (query["page"].parse().unwrap(), query["page_size"].parse().unwrap());
        let mut tags: Vec<_> = self.tags.iter().collect();
        tags.sort_by_key(|(tag, _)| std::cmp::Reverse(self.changed[*tag]));
        let entry = |(tag, digest): &(&String, &Digest)| {
            let mut images = self.leaves(digest);
            images.sort_by_key(ToString::to_string);
            let images: Vec<_> = images.iter().map(|digest| json!({ "digest": digest })).collect();
            let mut entry = json!({
                "name": tag, "digest": digest, "images": images,
                "last_updated": rfc3339(self.changed[*tag]),
            });
            for key in &self.omitted {
                entry.as_object_mut().unwrap().remove(*key);
            }
            entry
        };
        let results: Vec<_> = tags.iter().skip((page - 1) * size).take(size).map(entry).collect();
        let next = (page * size < tags.len()).then_some("http://elsewhere.example/");
        answer(200, json!({ "count": tags.len(), "next": next, "results": results }).to_string())
    }

    /// The images below a manifest, as Docker Hub flattens them.
    fn leaves(&self, digest: &Digest) -> Vec<Digest> {
        let children = if self.holds(digest) { self.children(digest) } else { Vec::new() };
        if children.is_empty() {
            vec![digest.clone()]
        } else {
            children.iter().flat_map(|it| self.leaves(it)).collect()
        }
    }
}
