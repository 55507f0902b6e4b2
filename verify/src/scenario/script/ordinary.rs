//! What happens every day.

use crate::{
    harness::HarnessError,
    scenario::{Event, Inputs, World},
};

/// A build of main, a release, and a build by hand, each of a commit of its own. All images are read, and main's are run.
pub(super) async fn images(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("main").await?;
    world.change("release")?;
    world.publish("release v1.2.0", &Event::tag("v1.2.0", world.head())).await?;
    world.change("by hand")?;
    world.publish("by hand", &Event::manual(Inputs::default(), world.head())).await?;
    world.inspect_images(&["latest"]).await
}

/// A build of main, a release of a commit that main has passed over, a build of changed main.
pub(super) async fn releases(world: &mut World) -> Result<(), HarnessError> {
    world.poll("latest")?;
    world.publish_main("first main").await?;
    world.change("released")?;
    world.publish("release v1.2.0", &Event::tag("v1.2.0", world.head())).await?;
    world.change("second")?;
    world.publish_main("second main").await
}

/// The run of an older commit begins when that of a newer one has ended: a re-run, or a slow one.
pub(super) async fn overtaken(world: &mut World) -> Result<(), HarnessError> {
    let older = world.head().to_owned();
    world.change("newer")?;
    world.publish_main("newer").await?;
    world.publish("older", &Event::main(&older)).await
}
