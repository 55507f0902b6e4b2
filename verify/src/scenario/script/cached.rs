//! The second build of a source that did not change, on a machine with an empty store.

use super::faults::BEGINS;
use crate::{
    harness::{HarnessError, proxy::Rule},
    scenario::{World, registries::CACHES},
};

/// A slow step is added to the Containerfile; a later file changes between two builds.
pub(super) async fn cached(world: &mut World) -> Result<(), HarnessError> {
    world.offer_cache();
    world.source.add_slow_step()?;
    world.publish_main("clean").await?;
    world.change("another message")?;
    world.publish_main("cached").await
}

/// A build of main with a cache that can be read and not written.
pub(super) async fn down(world: &mut World) -> Result<(), HarnessError> {
    world.offer_cache();
    for cache in CACHES {
        world.ghcr().add(Rule::on_any(&BEGINS).repository(cache).named("no cache taken").answer(403));
    }
    world.publish_main("main").await
}
