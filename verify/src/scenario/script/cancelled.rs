//! Runs that do not come to their end.

use crate::{
    harness::{HarnessError, proxy::Rule},
    history::Kind,
    scenario::{Event, World},
};

/// A run is cancelled while Docker Hub has not yet taken the first bytes of a layer, as when a newer push came in.
pub(super) async fn cancelled(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let commit = world.change("cancelled")?;
    let held = world.dockerhub().add(Rule::on_any(&[Kind::UploadBegin, Kind::UploadMount]).named("held").hold());
    let cancel = world.cancel_when(held.fired());
    world.publish("cancelled", &Event::main(&commit)).await?;
    world.cancelled(cancel);
    world.heal();
    let next = world.change("next")?;
    world.publish("next", &Event::main(&next)).await
}

/// The machine dies when one registry is about to take the tag. Whether the other has it by then is left to chance.
pub(super) async fn killed(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let commit = world.change("killed")?;
    let kill = world.killer();
    world
        .dockerhub()
        .add(Rule::on(Kind::ManifestPut).tag("latest").named("killed at the tag").times(1).call(kill).reset());
    world.publish("killed", &Event::main(&commit)).await?;
    world.heal();
    let next = world.change("next")?;
    world.publish("next", &Event::main(&next)).await
}
