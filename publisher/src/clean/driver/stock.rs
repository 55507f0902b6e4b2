//! Everything that a repository holds, since when: what a layer cache is judged by.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use super::{Driver, Look, distribution::created};
use crate::{
    clean::CleanError,
    oci::{Digest, Tag},
    registry::Registry,
};

/// A manifest with all its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::clean) struct Stock {
    pub(in crate::clean) digest: Digest,
    pub(in crate::clean) tags: Vec<Tag>,
    /// Since when it is there; nothing where nobody knows.
    pub(in crate::clean) since: Option<SystemTime>,
}

impl Driver {
    /// Everything that is there, also what has no tag, where the registry shows that; oldest first.
    pub(in crate::clean) async fn stock(&self, registry: &Registry) -> Result<Vec<Stock>, CleanError> {
        let Look { sightings, born, .. } = self.look(registry, &HashSet::new()).await?;
        let mut stock: HashMap<Digest, Stock> = HashMap::new();
        for (digest, since) in born {
            stock.insert(digest.clone(), Stock { digest, tags: Vec::new(), since: Some(since) });
        }
        for sighting in sightings {
            let Stock { tags, since, .. } = stock.entry(sighting.digest.clone()).or_insert_with(|| Stock {
                digest: sighting.digest,
                tags: Vec::new(),
                since: None,
            });
            // Of several tags, the youngest counts.
            *since = (*since).max(sighting.since);
            tags.push(sighting.tag);
        }
        let mut stock: Vec<Stock> = stock.into_values().collect();
        if let Self::Distribution(_) = self {
            created(registry, &mut stock).await?;
        }
        stock.sort_by(|one, other| (one.since, one.digest.as_ref()).cmp(&(other.since, other.digest.as_ref())));
        Ok(stock)
    }
}
