//! The listing of a repository's tags, a hundred a request, each with the digests of its images.

use std::{collections::BTreeMap, time::SystemTime};

use reqwest::Method;
use serde::Deserialize;

use super::{DockerHub, failed};
use crate::{
    clean::{
        CleanError,
        driver::{Look, Sighting},
        error::protocol,
    },
    oci::{Digest, Tag},
    registry::Registry,
};

/// The most that a page can hold.
const PAGE: usize = 100;
/// The most pages that are read.
const PAGES_MAX: usize = 100;

/// The tags as of the last look.
pub(super) struct Known {
    pub(super) tags: BTreeMap<Tag, Sighting>,
    /// When the tag that changed last did.
    changed: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// Nowhere promised.
    digest: Option<String>,
    last_updated: Option<String>,
    #[serde(default)]
    images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    digest: Option<String>,
}

impl Entry {
    fn changed(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.last_updated.as_deref()?).ok()
    }

    /// The images that the tag holds; nothing unless all of them are told.
    fn images(&self) -> Option<Vec<Digest>> {
        let images = self.images.as_deref().filter(|images| !images.is_empty())?;
        images.iter().map(|image| image.digest.as_deref()?.parse().ok()).collect()
    }
}

impl DockerHub {
    /// All tags the first time; after that those that changed since, as long as the listing shows itself newest first.
    pub(in crate::clean::driver) async fn look(&self, registry: &Registry) -> Result<Look, CleanError> {
        let mut guard = self.known.lock().await;
        let since = guard.as_ref().and_then(|known| known.changed);
        let mut tags = since.and(guard.take()).map(|known| known.tags).unwrap_or_default();
        let (mut newest, mut last, mut ordered) = (since, None, true);
        for page in 1.. {
            if page > PAGES_MAX {
                let endless = registry.attempts("list tags", async || {
                    Err::<Look, _>(protocol(format!("the repository has more than {} tags", PAGE * PAGES_MAX)))
                });
                return Ok(endless.await?);
            }
            let listed = self.page(registry, page).await?;
            for entry in &listed.results {
                let changed = entry.changed();
                ordered &= changed.is_some() && last.is_none_or(|last| changed <= last);
                last = Some(changed);
                newest = newest.max(changed);
                let Some(sighting) = self.sighting(registry, entry).await? else { continue };
                tags.insert(sighting.tag.clone(), sighting);
            }
            let all_new_seen = ordered && since.is_some() && last.is_some_and(|last| last < since);
            if listed.next.is_none() || listed.results.is_empty() || all_new_seen {
                break;
            }
        }
        let sightings = tags.values().cloned().collect();
        *guard = Some(Known { tags, changed: newest });
        Ok(Look { sightings, ..Look::default() })
    }

    async fn page(&self, registry: &Registry, page: usize) -> Result<Page, CleanError> {
        let (namespace, repository) = (&self.namespace, &self.repository);
        let path = format!(
            "v2/namespaces/{namespace}/repositories/{repository}/tags?page={page}&page_size={PAGE}&ordering=last_updated"
        );
        let operation = format!("list tags (page {page})");
        let page = registry.attempts(&operation, async || {
            let answer = self.call(registry, Method::GET, &path).await?;
            // A page that is not there lies behind the last one.
            if answer.is_absent() && page > 1 {
                return Ok(Page { next: None, results: Vec::new() });
            }
            answer.json()
        });
        page.await.map_err(|error| failed(registry, error))
    }

    async fn sighting(&self, registry: &Registry, entry: &Entry) -> Result<Option<Sighting>, CleanError> {
        let parsed = registry.attempts("read a tag of the list", async || {
            entry.name.parse::<Tag>().map_err(|_| protocol("the list names something that is no tag"))
        });
        let tag = parsed.await?;
        let told = entry.digest.as_deref().and_then(|digest| digest.parse().ok());
        let digest = match told {
            Some(digest) => Some(digest),
            None => registry.resolve(&tag).await?,
        };
        Ok(digest.map(|digest| Sighting { tag, digest, images: entry.images(), since: entry.changed() }))
    }
}
