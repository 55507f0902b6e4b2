//! Runs that do not come to their end.

use std::{sync::Arc, time::Duration};

use crate::{
    harness::{
        HarnessError,
        proxy::{Effect, Rule},
    },
    history::Kind,
    scenario::World,
};

/// When a request is let through that was held until its run was cancelled: time enough for a run that obeys the signal.
const RELEASE_AFTER: Duration = Duration::from_secs(2);

/// A run is cancelled while Docker Hub keeps it waiting for the first layer, as when a newer push came in.
pub(super) async fn cancelled(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("cancelled")?;
    let held =
        world.dockerhub().add(Rule::on_any(&[Kind::UploadBegin, Kind::UploadMount]).named("held").then(Effect::Hold));
    let cancellation = world.cancel_at(vec![held], None);
    world.publish_main("cancelled").await?;
    world.evidence.signalled_ms = cancellation.signalled_ms();
    Ok(())
}

/// Runs are cancelled while the second of the registries hesitates: with the first manifest of the merge, before any tag may
/// have moved, and with the tag, which the other registry has by then.
pub(super) async fn late(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    cancelled_merge(world, "before the tags", || Rule::on(Kind::ManifestPut).named("merge held")).await?;
    world.change("next")?;
    world.publish_main("next").await?;
    cancelled_merge(world, "between the tags", || Rule::on(Kind::ManifestPut).reference("latest").named("tag held"))
        .await
}

/// A run that is cancelled in its merge, when the second registry is asked for something.
async fn cancelled_merge(world: &mut World, name: &str, moment: impl Fn() -> Rule) -> Result<(), HarnessError> {
    world.change(name)?;
    let mut run = world.begin_main(name);
    if run.prepare(world).await? && run.build_all(world).await? {
        let held = world.on_the_second(|| moment().then(Effect::Hold));
        let cancellation = world.cancel_at(held, Some(RELEASE_AFTER));
        run.merge(world).await?;
        world.evidence.signalled_ms = cancellation.signalled_ms();
        world.heal();
    }
    world.end(run).await
}

/// The machine dies when the second registry is about to take the tag.
pub(super) async fn killed(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("killed")?;
    let running = world.running.clone();
    let kill = Arc::new(move || running.kill());
    let dies =
        Rule::on(Kind::ManifestPut).reference("latest").named("killed at the tag").times(1).then(Effect::Reset(kill));
    world.on_the_second(|| dies.clone());
    world.publish_main("killed").await?;
    world.heal();
    world.change("next")?;
    world.publish_main("next").await
}
