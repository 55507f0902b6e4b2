//! What is decided before any build.

use crate::{
    harness::HarnessError,
    scenario::{AMD64, ARM64, Event, Inputs, VERSIONS, World},
};

/// Builds by hand with the names of other builds' tags.
pub(crate) const RESERVED: &[(&str, &str)] = &[("as latest", "latest"), ("as a release", "1.2.0")];

/// Each git tag of the table is decided on.
pub(super) async fn versions(world: &mut World) -> Result<(), HarnessError> {
    for (name, _) in VERSIONS {
        world.prepare_only(name, &Event::tag(name, world.head())).await?;
    }
    Ok(())
}

/// The plan's own example of a tag that is no version. A pipeline that takes it goes on as far as it likes.
pub(super) async fn bad_version(world: &mut World) -> Result<(), HarnessError> {
    world.publish("v1.2", &Event::tag("v1.2", world.head())).await
}

/// Each secret in turn is not there. A run is called by the secret that it lacks.
pub(super) async fn missing_secrets(world: &mut World) -> Result<(), HarnessError> {
    for secret in ["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN", "GITHUB_TOKEN"] {
        world.withheld = Some(secret);
        world.prepare_only(secret, &Event::main(world.head())).await?;
    }
    world.withheld = None;
    Ok(())
}

/// A build of main; then builds by hand: without inputs, with all of them, without a push, and under names that belong to
/// builds of another kind.
pub(super) async fn manual(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("main").await?;
    world.change("by hand")?;
    let by_hand =
        [("by hand", "", "", false), ("named", "try-1", ARM64, false), ("without push", "try-2", AMD64, true)];
    let reserved = RESERVED.iter().map(|(name, tag)| (*name, *tag, AMD64, false));
    for (name, tag_name, platforms, skip_push) in by_hand.into_iter().chain(reserved) {
        let inputs = Inputs { tag_name: tag_name.into(), platforms: platforms.into(), skip_push };
        world.publish(name, &Event::manual(inputs, world.head())).await?;
    }
    Ok(())
}
