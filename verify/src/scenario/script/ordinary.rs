//! What happens every day.

use crate::{
    harness::HarnessError,
    scenario::{Event, Inputs, World},
};

/// A build of main, a release, and a build by hand, each of a commit of its own. All images are read, and main's are run.
pub(super) async fn images(world: &mut World) -> Result<(), HarnessError> {
    let commit = world.head().to_owned();
    world.publish("main", &Event::main(&commit)).await?;
    let commit = world.change("release")?;
    world.publish("release v1.2.0", &Event::tag("v1.2.0", &commit)).await?;
    let commit = world.change("by hand")?;
    world.publish("by hand", &Event::manual(Inputs::default(), &commit)).await?;
    world.look(&["latest"]).await
}

/// A build of main, a release of a commit that main has passed over, a build of changed main.
pub(super) async fn releases(world: &mut World) -> Result<(), HarnessError> {
    world.watch("latest")?;
    let first = world.head().to_owned();
    world.publish("first main", &Event::main(&first)).await?;
    let released = world.change("released")?;
    world.publish("release v1.2.0", &Event::tag("v1.2.0", &released)).await?;
    let second = world.change("second")?;
    world.publish("second main", &Event::main(&second)).await
}

/// The run of an older commit begins when that of a newer one has ended: a re-run, or a slow one.
pub(super) async fn overtaken(world: &mut World) -> Result<(), HarnessError> {
    let older = world.head().to_owned();
    let newer = world.change("newer")?;
    world.publish("newer", &Event::main(&newer)).await?;
    world.publish("older", &Event::main(&older)).await
}
