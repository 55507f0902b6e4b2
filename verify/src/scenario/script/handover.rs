//! When one platform is not there, or not ours.

use crate::{
    harness::HarnessError,
    scenario::{AMD64, ARM64, Event, World},
};

/// The Containerfile of a commit ends with an error for arm64.
pub(super) async fn build_fails(world: &mut World) -> Result<(), HarnessError> {
    world.watch("latest")?;
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let bad = world.break_arm64()?;
    world.publish("arm64 fails", &Event::main(&bad)).await
}

/// The files of arm64 get lost on the way to the merge.
pub(super) async fn missing(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let commit = world.change("second")?;
    let mut run = world.begin("amd64 only", &Event::main(&commit))?;
    run.prepare(world).await?;
    run.build_all(world).await?;
    run.lose(ARM64);
    run.merge(world).await?;
    world.end(run).await
}

/// The files of arm64 are those of another run, of another commit.
pub(super) async fn foreign(world: &mut World) -> Result<(), HarnessError> {
    let good = world.head().to_owned();
    world.publish("good", &Event::main(&good)).await?;
    let other_commit = world.change("other")?;
    let mut other = world.begin("other", &Event::main(&other_commit))?;
    other.prepare(world).await?;
    other.build(world, ARM64).await?;
    let commit = world.change("second")?;
    let mut run = world.begin("mixed", &Event::main(&commit))?;
    run.prepare(world).await?;
    run.build(world, AMD64).await?;
    run.take_over(&other, ARM64);
    world.end(other).await?;
    run.merge(world).await?;
    world.end(run).await
}
