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
const READS: [Kind; 2] = [Kind::ManifestGet, Kind::ManifestHead];

/// Four builds of main and two releases, one of them a second tag on what is `latest` just then. In between, tags of others
/// fill more than a page of every listing: what is to be removed, and what is to be kept, comes after them.
pub(super) async fn accumulation(world: &mut World) -> Result<(), HarnessError> {
    world.poll("latest")?;
    let mut run = world.begin_main("main 1");
    run.all(world).await?;
    world.registries.retag("latest", RELEASED_BEFORE)?;
    world.poll(RELEASED_BEFORE)?;
    world.end(run).await?;
    for (name, first) in [("main 2", 200), ("main 3", 400)] {
        world.registries.fill(RELEASED_BEFORE, first)?;
        world.change(name)?;
        world.publish_main(name).await?;
    }
    world.publish("release v1.0.0", &Event::tag("v1.0.0", world.head())).await?;
    world.change("main 4")?;
    world.publish_main("main 4").await
}

/// A repository that never held anything, on both registries.
pub(super) async fn first_ever(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("first").await
}

/// Both management interfaces, and the registries themselves, forbid every deletion.
pub(super) async fn denied(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("first").await?;
    for proxy in world.registries.proxies() {
        proxy.add(Rule::on_any(&DELETIONS).named("deletion denied").answer(403));
    }
    world.change("second")?;
    world.publish_main("second").await
}

/// A tag of others names one image of `latest`, which must be known before `latest` is cleaned up; it cannot be read.
pub(super) async fn blind(world: &mut World) -> Result<(), HarnessError> {
    let mut run = world.begin_main("first");
    run.all(world).await?;
    let parts = world.registries.tag_part("latest", RELEASED_BEFORE)?;
    world.end(run).await?;
    for (proxy, digest) in [world.ghcr(), world.dockerhub()].into_iter().zip(parts) {
        proxy.add(Rule::on_any(&READS).reference(RELEASED_BEFORE).named("tag cannot be read").answer(500));
        if let Some(digest) = digest {
            proxy.add(Rule::on_any(&READS).reference(&digest).named("list cannot be read").answer(500));
        }
    }
    world.change("second")?;
    world.publish_main("second").await
}
