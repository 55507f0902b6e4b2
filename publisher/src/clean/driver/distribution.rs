//! A registry with nothing but the distribution API: `DELETE` by digest, which removes all tags on that digest.
//!
//! It lists neither dates nor digests, so every listing resolves every tag: the only driver whose requests grow with
//! each tag.

use futures::future::try_join_all;

use super::{Listing, TagEntry};
use crate::{clean::Problem, registry::Registry};

/// How many tags are resolved at once.
const RESOLVES_MAX: usize = 16;
pub(super) const PERMISSION: &str = "the account needs the right to delete (scope `delete`) in this repository";

pub(super) async fn list(registry: &Registry) -> Result<Listing, Problem> {
    let mut listing = Listing::default();
    for tags in registry.tags().await?.chunks(RESOLVES_MAX) {
        let digests = try_join_all(tags.iter().map(async |tag| registry.resolve(tag).await)).await?;
        // A tag that vanished meanwhile is left out.
        let found = tags.iter().zip(digests).filter_map(|(tag, digest)| Some(TagEntry::new(tag.clone(), digest?)));
        listing.tags.extend(found);
    }
    Ok(listing)
}
