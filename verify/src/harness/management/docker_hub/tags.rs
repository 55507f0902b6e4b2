//! The tags of a repository, in pages, as Docker Hub shows them.

use std::{collections::BTreeMap, io};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::{
        message::{Answer, Request},
        page::{Page, Sizes},
    },
    images::images,
    interface::not_found,
    stand_in::State,
};

const SIZES: Sizes = Sizes { parameter: "page_size", default: 10, max: 100 };

impl State {
    /// A page of a repository's tags, what was pushed last first. Only manifests of this page are read.
    pub(super) fn list(&self, request: &Request, repository: &str) -> io::Result<Answer> {
        let Some(tags) = self.tags(repository)? else { return Ok(not_found()) };
        let page = Page::of(&request.query, SIZES);
        let last = page.last(tags.len());
        if page.number > last {
            return Ok(not_found());
        }
        let shown = tags.get(page.range(tags.len())).unwrap_or_default();
        let results: Vec<Value> = shown.iter().map(|tag| self.entry(repository, tag)).collect::<Result<_, _>>()?;
        let link = |number: usize| {
            let exists = (1..=last).contains(&number);
            exists.then(|| request.address_with(&[("page", number), (SIZES.parameter, page.size)]))
        };
        let (next, previous) = (link(page.number + 1), link(page.number - 1));
        let body = json!({ "count": tags.len(), "next": next, "previous": previous, "results": results });
        Ok(Answer::json(StatusCode::OK, body))
    }

    /// One tag.
    pub(super) fn show(&self, repository: &str, name: &str) -> io::Result<Answer> {
        let tags = self.tags(repository)?.unwrap_or_default();
        match tags.iter().find(|tag| tag.name == name) {
            Some(tag) => Ok(Answer::json(StatusCode::OK, self.entry(repository, tag)?)),
            None => Ok(not_found()),
        }
    }

    /// All tags in the order of a listing; none if there is no such repository.
    fn tags(&self, repository: &str) -> io::Result<Option<Vec<Tag>>> {
        let tags: BTreeMap<String, String> = self.contents.tags(repository)?;
        if tags.is_empty() && self.contents.manifests(repository)?.is_empty() {
            return Ok(None);
        }
        let push = |name: &str, digest: &str| format!("{name}@{digest}");
        let pushes: Vec<String> = tags.iter().map(|(name, digest)| push(name, digest)).collect();
        let mut moving = self.moving();
        let sightings = moving.sightings.entry(repository.to_owned()).or_default();
        sightings.look(pushes.iter().map(String::as_str));
        let mut tags: Vec<Tag> = tags
            .into_iter()
            .map(|(name, digest)| Tag { pushed: sightings.time(&push(&name, &digest)), name, digest })
            .collect();
        tags.sort_by_cached_key(|tag| {
            let push = push(&tag.name, &tag.digest);
            (sightings.newest_first(&push).0, tag.name.clone())
        });
        Ok(Some(tags))
    }

    fn entry(&self, repository: &str, tag: &Tag) -> io::Result<Value> {
        let manifest = self.contents.manifest(repository, &tag.digest)?;
        let images = match &manifest {
            Some(manifest) => images(&*self.contents, repository, &tag.digest, manifest)?,
            None => Vec::new(),
        };
        let full_size: u64 = images.iter().filter_map(|image| image["size"].as_u64()).sum();
        let mut entry = json!({
            "name": tag.name,
            "digest": tag.digest,
            "media_type": manifest.map(|manifest| manifest.media_type),
            "tag_status": "active",
            "last_updated": tag.pushed,
            "tag_last_pushed": tag.pushed,
            "tag_last_pulled": null,
            "full_size": full_size,
            "images": images,
        });
        if let Some(entry) = entry.as_object_mut().filter(|_| !self.settings.tells_digests) {
            entry.remove("digest");
        }
        Ok(entry)
    }
}

struct Tag {
    name: String,
    digest: String,
    pushed: String,
}
