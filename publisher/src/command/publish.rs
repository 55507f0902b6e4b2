//! `publisher publish`: all platforms built, staged and published by one process on one machine.

use futures::future::try_join_all;

use super::{
    build::{build_and_stage, build_image, prepare},
    merge::commit,
    result::skipped,
    run::{Run, SourceArgs},
};
use crate::{exit::Failure, report::outcome::Publication};

/// Builds and stages all platforms in parallel, then publishes them.
///
/// # Errors
/// Those of `build` and `merge`.
pub async fn publish(run: &Run, source: &SourceArgs) -> Result<Publication, Failure> {
    let (podman, registries) = prepare(run, source, None).await?;
    let platforms = run.plan.platforms.iter();
    if !run.plan.push {
        let build = async |platform| Ok::<_, Failure>(build_image(run, &podman, platform).await?.outcome());
        return Ok(skipped(run, try_join_all(platforms.map(build)).await?));
    }
    let build = async |platform| build_and_stage(run, &podman, platform, &registries).await;
    let records = try_join_all(platforms.map(build)).await?;
    commit(run, &records, &registries).await
}
