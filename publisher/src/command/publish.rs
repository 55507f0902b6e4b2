//! `publisher publish`: all platforms built, staged and published by one process on one machine.

use futures::future::try_join_all;

use super::{
    build::{build_image, check, stage_image},
    merge::commit,
    result::skipped,
    run::{Run, SourceArgs},
};
use crate::{commit::Record, exit::Failure, report::outcome::Publication};

/// Builds and stages all platforms in parallel, then publishes them.
///
/// # Errors
/// Those of `build` and `merge`.
pub async fn publish(run: &Run, source: &SourceArgs) -> Result<Publication, Failure> {
    run.require_commit(source, None).await?;
    let podman = check(run).await?;
    if !run.plan.push {
        let builds = run.plan.platforms.iter();
        let builds = builds.map(async |platform| Ok(build_image(run, &podman, platform).await?.outcome()));
        return try_join_all(builds).await.map(|builds| skipped(run, builds));
    }
    let registries = run.connect(true).await?;
    let records = try_join_all(run.plan.platforms.iter().map(async |platform| {
        let built = build_image(run, &podman, platform).await?;
        let staged = stage_image(run, &podman, platform, &built.image, &registries).await?;
        Ok::<_, Failure>(Record::new(&staged, &built.steps, &registries, &run.identity()))
    }))
    .await?;
    commit(run, &records, &registries).await
}
