//! GitHub Packages: versions, each a manifest with all its tags.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use serde_json::{Value, json};

use super::{
    Contents, TOKEN, absent, answer,
    contents::{Version, rfc3339},
};
use crate::oci::Digest;

impl Contents {
    pub(super) fn github(
        &mut self,
        method: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        authorization: &str,
    ) -> Response {
        if authorization != format!("Bearer {TOKEN}") {
            return answer(401, r#"{"message":"Bad credentials"}"#);
        }
        let Some(rest) = path.strip_prefix(self.home).and_then(|rest| rest.strip_prefix("/packages/container/")) else {
            return absent();
        };
        let (_, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let rest = rest.strip_prefix("versions").unwrap_or(rest);
        let Some(id) = rest.strip_prefix('/') else { return self.page(path, query, rest.is_empty()) };
        let Some(digest) = self.versions.iter().find(|it| it.id.to_string() == id).map(|it| it.manifest.digest.clone())
        else {
            return absent();
        };
        if method == "DELETE" {
            let is_last = self.tags.values().any(|at| *at == digest) && self.tags.values().all(|at| *at == digest);
            if is_last {
                let message =
                    "You cannot delete the last tagged version of a package. You must delete the package instead.";
                return answer(400, json!({ "message": message }).to_string());
            }
            self.forget(&digest);
            return answer(204, "");
        }
        let version = self.find(&digest).unwrap().clone();
        answer(200, self.version(&version).to_string())
    }

    fn version(&mut self, version: &Version) -> Value {
        let tags = self.shown_tags(&version.manifest.digest);
        let mut shown = json!({
            "id": version.id, "name": version.manifest.digest,
            "created_at": rfc3339(version.id),
            "metadata": { "package_type": "container", "container": { "tags": tags } },
        });
        if self.undated {
            shown.as_object_mut().unwrap().remove("created_at");
        }
        shown
    }

    fn page(&mut self, path: &str, query: &BTreeMap<String, String>, whole: bool) -> Response {
        if !query.contains_key("page") {
            return if whole { answer(200, "{}") } else { absent() };
        }
        let (page, size): (usize, usize) = (query["page"].parse().unwrap(), query["per_page"].parse().unwrap());
        let mut versions = self.versions.clone();
        if !self.oldest_first {
            versions.reverse();
        }
        let some: Vec<_> = versions.iter().skip((page - 1) * size).take(size).collect();
        let shown: Vec<_> = some.into_iter().map(|version| self.version(version)).collect();
        let mut builder = Response::builder();
        if page * size < versions.len() {
            builder = builder.header("link", format!("</{path}?page={}>; rel=\"next\"", page + 1));
        }
        builder.body(Body::from(Value::from(shown).to_string())).unwrap()
    }

    /// The tags of a version, as GitHub shows them.
    fn shown_tags(&mut self, digest: &Digest) -> Vec<String> {
        let at = self.tags.iter().filter(|(_, at)| *at == digest).map(|(tag, _)| tag.clone());
        let mut tags: Vec<_> = at.collect();
        if let Some((left, old)) = &mut self.lagging
            && old == digest
            && *left > 0
        {
            *left -= 1;
            tags.push("latest".into());
        }
        tags
    }
}
