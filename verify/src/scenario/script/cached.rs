//! The second build of a source that did not change, on a machine that knows nothing.

use crate::{
    harness::{HarnessError, proxy::Rule},
    history::Kind,
    scenario::{CACHES, Event, World},
};

/// A slow step is added to the Containerfile; a later file changes between two builds.
pub(super) async fn cached(world: &mut World) -> Result<(), HarnessError> {
    world.offer_cache();
    let clean = world.add_slow_step()?;
    world.publish("clean", &Event::main(&clean)).await?;
    let cached = world.change("another message")?;
    world.publish("cached", &Event::main(&cached)).await
}

/// A build of main with a cache that may be read, and written by nobody.
pub(super) async fn down(world: &mut World) -> Result<(), HarnessError> {
    world.offer_cache();
    for cache in CACHES {
        let begins = [Kind::UploadBegin, Kind::UploadMount, Kind::UploadWhole];
        world.ghcr().add(Rule::on_any(&begins).repository(cache).named("no cache taken").answer(403));
    }
    let commit = world.head().to_owned();
    world.publish("main", &Event::main(&commit)).await?;
    world.heal();
    Ok(())
}
