//! What accumulates, and what must not be removed.

use crate::{
    harness::{HarnessError, proxy::Rule},
    history::Kind,
    scenario::{Event, World},
};

/// A release that was made of what was `latest` then.
pub(crate) const RELEASED_BEFORE: &str = "0.9.0";
/// Everything that removes something.
const DELETIONS: [Kind; 4] =
    [Kind::ManifestDelete, Kind::HubTagDelete, Kind::PackageDelete, Kind::PackageVersionDelete];

/// Four builds of main and two releases, one of them a second tag on what is `latest` just then. In between, somebody else's
/// tags fill more than a page of every listing: what is to be removed, and what is to be kept, stands behind them.
pub(super) async fn accumulation(world: &mut World) -> Result<(), HarnessError> {
    world.watch("latest")?;
    let first = world.head().to_owned();
    let mut run = world.begin("main 1", &Event::main(&first))?;
    run.prepare(world).await?;
    run.build_all(world).await?;
    run.merge(world).await?;
    world.retag("latest", RELEASED_BEFORE).await?;
    world.watch(RELEASED_BEFORE)?;
    world.end(run).await?;
    for name in ["main 2", "main 3"] {
        world.fill(RELEASED_BEFORE, &format!("before-{}", name.replace(' ', "-"))).await?;
        let commit = world.change(name)?;
        world.publish(name, &Event::main(&commit)).await?;
    }
    let third = world.head().to_owned();
    world.publish("release v1.0.0", &Event::tag("v1.0.0", &third)).await?;
    let last = world.change("main 4")?;
    world.publish("main 4", &Event::main(&last)).await
}

/// A repository that never held anything, on both registries.
pub(super) async fn first_ever(world: &mut World) -> Result<(), HarnessError> {
    let first = world.head().to_owned();
    world.publish("first", &Event::main(&first)).await
}

/// Both management interfaces, and the registries themselves, forbid every deletion.
pub(super) async fn denied(world: &mut World) -> Result<(), HarnessError> {
    let first = world.head().to_owned();
    world.publish("first", &Event::main(&first)).await?;
    for proxy in world.proxies() {
        proxy.add(Rule::on_any(&DELETIONS).named("deletion denied").answer(403));
    }
    let second = world.change("second")?;
    world.publish("second", &Event::main(&second)).await
}

/// Somebody's own tag names one image of `latest`, which must be known before `latest` is cleaned up; it cannot be read.
pub(super) async fn blind(world: &mut World) -> Result<(), HarnessError> {
    let first = world.head().to_owned();
    let mut run = world.begin("first", &Event::main(&first))?;
    run.all(world).await?;
    let parts = world.tag_part("latest", "0.9.0").await?;
    world.end(run).await?;
    let reads = [Kind::ManifestGet, Kind::ManifestHead];
    for (proxy, digest) in [world.ghcr(), world.dockerhub()].into_iter().zip(parts) {
        proxy.add(Rule::on_any(&reads).tag("0.9.0").named("tag cannot be read").answer(500));
        if let Some(digest) = digest {
            proxy.add(Rule::on_any(&reads).digest(&digest).named("list cannot be read").answer(500));
        }
    }
    let second = world.change("second")?;
    world.publish("second", &Event::main(&second)).await?;
    world.heal();
    Ok(())
}
