//! The second build of a source that did not change, on a machine that knows nothing.

use crate::{
    harness::HarnessError,
    scenario::{Event, World},
};

/// A slow step is added to the Containerfile; a later file changes between two builds.
pub(super) async fn cached(world: &mut World) -> Result<(), HarnessError> {
    world.offer_cache();
    let clean = world.add_slow_step()?;
    world.publish("clean", &Event::main(&clean)).await?;
    let cached = world.change("another message")?;
    world.publish("cached", &Event::main(&cached)).await
}
