//! What is decided before any build.

use crate::{
    evidence::Stage,
    harness::HarnessError,
    scenario::{ARM64, Event, Inputs, VERSIONS, World},
};

/// Builds by hand with the names of other builds' tags.
pub(crate) const RESERVED: &[(&str, &str)] = &[("as latest", "latest"), ("as a release", "1.2.0")];

/// Each git tag of the table is decided on.
pub(super) async fn versions(world: &mut World) -> Result<(), HarnessError> {
    let commit = world.head().to_owned();
    for (name, _) in VERSIONS {
        world.only(Stage::Prepare, name, &Event::tag(name, &commit)).await?;
    }
    Ok(())
}

/// The plan's own example of a tag that is no version. A pipeline that takes it goes on as far as it likes.
pub(super) async fn bad_version(world: &mut World) -> Result<(), HarnessError> {
    let commit = world.head().to_owned();
    world.publish("v1.2", &Event::tag("v1.2", &commit)).await
}

/// Each secret in turn is not there. A run is called by the secret that it lacks.
pub(super) async fn missing_secrets(world: &mut World) -> Result<(), HarnessError> {
    let commit = world.head().to_owned();
    for secret in ["DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN", "GITHUB_TOKEN"] {
        world.without(secret);
        world.only(Stage::Prepare, secret, &Event::main(&commit)).await?;
        world.with_all_secrets();
    }
    Ok(())
}

/// A build of main; then builds by hand: without inputs, with all of them, without a push, and under names that belong to
/// builds of another kind.
pub(super) async fn manual(world: &mut World) -> Result<(), HarnessError> {
    let first = world.head().to_owned();
    world.publish("main", &Event::main(&first)).await?;
    let commit = world.change("by hand")?;
    world.publish("by hand", &Event::manual(Inputs::default(), &commit)).await?;
    let named = Inputs { tag_name: "try-1".into(), platforms: ARM64.into(), skip_push: false };
    world.publish("named", &Event::manual(named, &commit)).await?;
    let without = Inputs { tag_name: "try-2".into(), platforms: "linux/amd64".into(), skip_push: true };
    world.publish("without push", &Event::manual(without, &commit)).await?;
    for (name, tag) in RESERVED {
        let inputs = Inputs { tag_name: (*tag).into(), platforms: "linux/amd64".into(), skip_push: false };
        world.publish(name, &Event::manual(inputs, &commit)).await?;
    }
    Ok(())
}
