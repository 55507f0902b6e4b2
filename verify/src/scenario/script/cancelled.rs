//! Runs that do not come to their end.

use std::time::Duration;

use crate::{
    harness::{HarnessError, proxy::Rule},
    history::Kind,
    scenario::World,
};

/// When a request is let through that was held until its run was cancelled: time enough for a run that obeys the signal.
const RELEASE_AFTER: Duration = Duration::from_secs(2);

/// A run is cancelled while Docker Hub keeps it waiting for the first layer, as when a newer push came in.
pub(super) async fn cancelled(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("cancelled")?;
    let held = world.dockerhub().add(Rule::on_any(&[Kind::UploadBegin, Kind::UploadMount]).named("held").hold());
    let cancellation = world.cancel_at(vec![held], None);
    world.publish_main("cancelled").await?;
    world.cancelled(cancellation);
    Ok(())
}

/// Runs are cancelled while the second of the registries hesitates: with the first manifest of the merge, before any tag may
/// have moved, and with the tag, which the other registry has by then.
pub(super) async fn late(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    cancelled_merge(world, "before the tags", || Rule::on(Kind::ManifestPut).named("merge held")).await?;
    world.change("next")?;
    world.publish_main("next").await?;
    cancelled_merge(world, "between the tags", || Rule::on(Kind::ManifestPut).tag("latest").named("tag held")).await
}

/// A run that is cancelled in its merge, when the second registry is asked for something.
async fn cancelled_merge(world: &mut World, name: &str, moment: impl Fn() -> Rule) -> Result<(), HarnessError> {
    world.change(name)?;
    let mut run = world.begin_main(name);
    if run.prepare(world).await? && run.build_all(world).await? {
        let held = world.on_the_second(|| moment().hold());
        let cancellation = world.cancel_at(held, Some(RELEASE_AFTER));
        run.merge(world).await?;
        world.cancelled(cancellation);
        world.heal();
    }
    world.end(run).await
}

/// The machine dies when the second registry is about to take the tag.
pub(super) async fn killed(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("killed")?;
    let kill = world.killer();
    let dies = Rule::on(Kind::ManifestPut).tag("latest").named("killed at the tag").times(1).call(kill).reset();
    world.on_the_second(|| dies.clone());
    world.publish_main("killed").await?;
    world.heal();
    world.change("next")?;
    world.publish_main("next").await
}
