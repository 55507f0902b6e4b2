//! Runs that do not come to their end.

use crate::{
    harness::{HarnessError, proxy::Rule},
    history::Kind,
    scenario::{Event, Held, World},
};

/// A run is cancelled while Docker Hub keeps it waiting for the first layer, as when a newer push came in.
pub(super) async fn cancelled(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let commit = world.change("cancelled")?;
    let held = world.dockerhub().add(Rule::on_any(&[Kind::UploadBegin, Kind::UploadMount]).named("held").hold());
    let cancel = world.cancel_at(vec![held], Held::Throughout);
    world.publish("cancelled", &Event::main(&commit)).await?;
    world.cancelled(cancel);
    world.heal();
    Ok(())
}

/// Runs are cancelled while the second of the registries hesitates: with the first manifest of the merge, before any tag may
/// have moved, and with the tag, which the other registry has by then.
pub(super) async fn late(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    cancelled_merge(world, "before the tags", || Rule::on(Kind::ManifestPut).named("merge held")).await?;
    let next = world.change("next")?;
    world.publish("next", &Event::main(&next)).await?;
    cancelled_merge(world, "between the tags", || Rule::on(Kind::ManifestPut).tag("latest").named("tag held")).await
}

/// A run that is cancelled in its merge, when the second registry is asked for something.
async fn cancelled_merge(world: &mut World, name: &str, moment: impl Fn() -> Rule) -> Result<(), HarnessError> {
    let commit = world.change(name)?;
    let mut run = world.begin(name, &Event::main(&commit))?;
    if run.prepare(world).await? && run.build_all(world).await? {
        let held = world.on_the_second(|| moment().hold());
        let cancel = world.cancel_at(held, Held::ForAMoment);
        run.merge(world).await?;
        world.cancelled(cancel);
        world.heal();
    }
    world.end(run).await
}

/// The machine dies when the second registry is about to take the tag.
pub(super) async fn killed(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let commit = world.change("killed")?;
    let kill = world.killer();
    let dies = Rule::on(Kind::ManifestPut).tag("latest").named("killed at the tag").times(1).call(kill).reset();
    world.on_the_second(|| dies.clone());
    world.publish("killed", &Event::main(&commit)).await?;
    world.heal();
    let next = world.change("next")?;
    world.publish("next", &Event::main(&next)).await
}
