//! One platform is not there, or comes from another run.

use crate::{
    harness::HarnessError,
    scenario::{AMD64, ARM64, World},
};

/// The Containerfile of a commit ends with an error for arm64.
pub(super) async fn build_fails(world: &mut World) -> Result<(), HarnessError> {
    world.poll("latest")?;
    world.publish_main("good").await?;
    world.source.break_arm64()?;
    world.publish_main("arm64 fails").await
}

/// The files of arm64 get lost on the way to the merge.
pub(super) async fn missing(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("second")?;
    let mut run = world.begin_main("amd64 only");
    run.prepare(world).await?;
    run.build_all(world).await?;
    run.lose(ARM64);
    run.merge(world).await?;
    world.end(run).await
}

/// The files of arm64 are those of another run, of another commit.
pub(super) async fn foreign(world: &mut World) -> Result<(), HarnessError> {
    world.publish_main("good").await?;
    world.change("other")?;
    let mut other = world.begin_main("other");
    other.prepare(world).await?;
    other.build(world, ARM64).await?;
    world.change("second")?;
    let mut run = world.begin_main("mixed");
    run.prepare(world).await?;
    run.build(world, AMD64).await?;
    run.take_over(&other, ARM64);
    world.end(other).await?;
    run.merge(world).await?;
    world.end(run).await
}
